g.res.output = 'say "hi"';
