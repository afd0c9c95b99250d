// Refuses preflights of strangers in words.
const origin = req.headers['Origin'];
const known = ['https://shop.test', 'https://admin.shop.test'];
if (!known.includes(origin)) {
  throw { status: 403, message: 'not from ' + origin };
}
return { asked: req.headers['Access-Control-Request-Method'] };
