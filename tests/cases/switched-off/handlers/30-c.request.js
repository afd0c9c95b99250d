// @active false
throw 'not active';
