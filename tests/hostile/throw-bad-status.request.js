// @match /throw-bad-status
// A status that is none.
// expect 400
throw { status: 200, message: 'fine' };
