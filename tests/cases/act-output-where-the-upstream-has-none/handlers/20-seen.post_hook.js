g.res.output.seen = true;
