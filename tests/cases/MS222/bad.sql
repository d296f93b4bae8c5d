-- transaction: no
CLUSTER patients USING patients_pkey; -- MS222
VACUUM FULL archive; -- MS222
VACUUM (FULL, ANALYZE) billing.rates, "invoices"; -- MS222
CLUSTER; -- MS222
VACUUM FULL; -- MS222
