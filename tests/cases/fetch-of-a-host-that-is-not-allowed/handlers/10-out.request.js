await fetch('http://elsewhere.test/');
