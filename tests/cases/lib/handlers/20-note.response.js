json.note = require('vat').note;
