res.status = 202;
