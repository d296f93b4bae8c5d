-- Nobody can read it until COMMIT.
TRUNCATE archive; -- MS307
TRUNCATE TABLE ONLY billing.rates RESTART IDENTITY; -- MS307

-- Each of several; together with what references it, it needs no CASCADE.
TRUNCATE scratch, scratch_child; -- MS307
TRUNCATE visits; -- MS307
TRUNCATE invoices CASCADE; -- MS307

-- Another table's foreign key refuses it.
TRUNCATE staff; -- MS307
