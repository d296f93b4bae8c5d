-- In the statement, or later in the same migration.
CREATE TABLE triage (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, note text);
CREATE TABLE billing."Fees" (id integer NOT NULL);
ALTER TABLE billing."Fees" ADD PRIMARY KEY (id);

-- Tables that need none, or that are not known.
CREATE TEMPORARY TABLE found (id integer);
CREATE TABLE copied (LIKE patients INCLUDING ALL);
CREATE TABLE visits_2030 PARTITION OF visits FOR VALUES FROM ('2030-01-01') TO ('2031-01-01');
CREATE TABLE counted AS SELECT 1 AS id;
CREATE TABLE gone (id integer);
DROP TABLE gone;
