// Nobody gets more than 50 rows.
if (!(req.urlParameters.pagesize <= 50)) req.urlParameters.pagesize = '50';
delete req.urlParameters.debug;
