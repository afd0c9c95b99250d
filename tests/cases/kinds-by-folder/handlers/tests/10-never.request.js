throw 'other folders hold no handlers';
