-- Some rows of the table, without reading all of it.
CREATE VIEW drawn AS SELECT id FROM patients TABLESAMPLE SYSTEM (1) LIMIT 1;

-- Another order.
CREATE VIEW sorted AS SELECT id FROM patients ORDER BY name, lower(email);
