event.response.status_code = 202;
