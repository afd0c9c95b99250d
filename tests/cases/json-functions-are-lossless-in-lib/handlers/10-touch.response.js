json.content = require('touch')(json.content);
