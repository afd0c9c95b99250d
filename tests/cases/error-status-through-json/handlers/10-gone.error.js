if (json.errorMessage.contains('deleted')) json.statusCode = 410;
