// @match /**
// @onError skip
// Adds a sentence that says what to do next.
const hints = {
  400: 'Look at errorMessage: something in the request needs to change.',
  404: 'Look the key up in the list first: GET the path without its last part.',
  405: 'This address can be read, but not written in this way.',
};

const hint = hints[res.status];
const isObject = json !== null && typeof json === 'object' && !Array.isArray(json);
if (hint && isObject) json.hint = hint;
