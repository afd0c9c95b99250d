throw 'not active in its JSON';
