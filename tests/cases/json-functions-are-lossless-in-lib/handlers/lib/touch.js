module.exports = (text) => {
  const data = JSON.parse(text);
  data.touched = [data.id, { copy: data.s }];
  return JSON.stringify(data);
};
