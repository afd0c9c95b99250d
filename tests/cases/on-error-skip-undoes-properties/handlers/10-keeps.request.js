req.setUserProperty('who', 'first');
