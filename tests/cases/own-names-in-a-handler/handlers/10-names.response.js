// Names of the scope are free for other uses; `json` alone is special.
const res = [];
let event = 0;
var out = json.rows;
for (i = 0; i < out.length; i++) {
  event += out[i];
  res.push(out[i] * 2);
}
json.sum = event;
json.doubled = res;
