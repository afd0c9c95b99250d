json = { help: 'Look the key up first', was: json.errorMessage };
