-- It allows NULL where its parent to be does not: refused.
ALTER TABLE archive INHERIT devices; -- MS429

-- Its rows are rows of devices from then on.
ALTER TABLE scales INHERIT devices; -- MS429
CREATE TABLE "Monitors" (screen text) INHERITS (devices); -- MS429
CREATE TABLE billing.taxes (percent numeric) INHERITS (billing.rates); -- MS429
