json = null;
