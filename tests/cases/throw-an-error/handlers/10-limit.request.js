throw new Error('The credit limit is used up');
