-- Nobody can use the table until COMMIT.
LOCK TABLE archive; -- MS118
LOCK TABLE ONLY billing.rates, "invoices" IN ACCESS EXCLUSIVE MODE NOWAIT; -- MS118
LOCK staff IN EXCLUSIVE MODE; -- MS118

-- Writers wait.
LOCK TABLE patients IN SHARE ROW EXCLUSIVE MODE; -- MS118
LOCK TABLE visits IN SHARE MODE; -- MS118
