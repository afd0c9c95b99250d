const why = (object, key) => {
  try {
    return String(exact(object, key));
  } catch (error) {
    return `${error}`;
  }
};
json = [
  why(json, 'a'),
  why(json, 'b'),
  why({ ...json }, 'a'),
  why({ id: json.a + 1 }, 'id'),
  why([12], 0),
  why(json, 'half'),
  why(json, 'name'),
  why(json, 'none'),
  why(json, 'missing'),
  why(json, 'much'),
];
