json = json + ' ';
