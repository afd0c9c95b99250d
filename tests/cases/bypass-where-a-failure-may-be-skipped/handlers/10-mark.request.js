// @match POST /upload
// @onError skip
json = JSON.parse(json);
