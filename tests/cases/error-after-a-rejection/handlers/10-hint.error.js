json = { message: json.errorMessage, status: res.status };
