-- The operator class that the queries need, and only the rows that they look for.
CREATE INDEX ON patients USING gin (doc jsonb_path_ops);
CREATE INDEX ON patients (id) WHERE active;

CREATE INDEX ON patients (active, name);
CREATE INDEX ON billing.rates (price);
