-- Keys that end at 2,147,483,647 or before.
CREATE TABLE wards (id integer PRIMARY KEY); -- MS437
CREATE TABLE "Beds" (ward bigint, no smallint, PRIMARY KEY (ward, no)); -- MS437
CREATE TABLE billing.accounts (id serial PRIMARY KEY); -- MS437
ALTER TABLE archive ADD PRIMARY KEY (id); -- MS437
ALTER TABLE logs_c -- MS437
    ADD COLUMN no integer GENERATED ALWAYS AS IDENTITY,
    ADD CONSTRAINT logs_c_pkey PRIMARY KEY (no);
ALTER TABLE imports ADD PRIMARY KEY USING INDEX imports_line_idx; -- MS437
