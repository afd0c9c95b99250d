// @match /throw-message-object
// Its message has no text.
// expect 400 | 500 threw
throw { message: Object.create(null) };
