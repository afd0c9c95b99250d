throw 'must not run';
