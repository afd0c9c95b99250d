json = 'never';
