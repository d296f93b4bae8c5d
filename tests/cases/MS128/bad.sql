-- Queries of logs wait.
DROP TABLE logs_a; -- MS128
DROP TABLE IF EXISTS archive, visits_2024 CASCADE; -- MS128
DROP TABLE visits_rest; -- MS128
