;(function () {
  var freeGlobal = typeof global == 'object' && global && global.Object === Object && global;
  var freeSelf = typeof self == 'object' && self && self.Object === Object && self;
  var root = freeGlobal || freeSelf || Function('return this')();
  var freeExports = typeof exports == 'object' && exports && !exports.nodeType && exports;
  var freeModule = freeExports && typeof module == 'object' && module && !module.nodeType && module;

  function lodash(value) { return value; }
  lodash.prototype = Object.create({});
  lodash.prototype.constructor = lodash;
  lodash.groupBy = function (list, key) {
    return list.reduce(function (groups, item) {
      (groups[item[key]] = groups[item[key]] || []).push(item);
      return groups;
    }, {});
  };
  lodash.map = function (object, make) { return Object.keys(object).map(function (key) { return make(object[key], key); }); };

  if (freeModule) {
    (freeModule.exports = lodash)._ = lodash;
    freeExports._ = lodash;
  } else {
    root._ = lodash;
  }
}.call(this));
