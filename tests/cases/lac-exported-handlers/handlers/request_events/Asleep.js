throw 'never runs';
