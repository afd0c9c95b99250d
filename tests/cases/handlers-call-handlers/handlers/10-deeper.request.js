// @match /deep/{n}
var n = Number(req.path.split('/')[2]);
res.body = JSON.parse(SysUtility.restGet('/deep/' + (n + 1)));
