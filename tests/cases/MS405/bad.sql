CREATE INDEX patients_number_idx ON patients ((notes::integer)); -- MS405
CREATE INDEX ON patients (((doc ->> 'a')::integer)); -- MS405
CREATE INDEX ON appointments ((staff_id / "roomNo")); -- MS405
CREATE INDEX ON invoices (id) WHERE CAST(status AS numeric) > 0; -- MS405
CREATE INDEX ON patients ((legacy_id::smallint)); -- MS405
