// @onError skip
req.setUserProperty('who', 'second');
null.x;
