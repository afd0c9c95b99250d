throw 'Not on Sundays';
