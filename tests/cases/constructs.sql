-- What each construct of SQL does to the clinic: one statement of every kind that the lock model
-- speaks of. The last line of a block is measured, the lines before it are run first.
--
-- A header is a name and the answer: table:MODE REWRITE[...] SCAN[...] INDEX[...] PROVEN FKSCAN
-- ERR[sqlstate], each part where there is such a thing; lines that follow it have the answers of
-- other versions. An answer ends with its versions, [-11], [12-13] or [14-], where not all have it,
-- and a version without an answer does not have the syntax. Plans with indexes are off, so that
-- SCAN is what a query reads at worst.

-- add-col-null: patients:AX
ALTER TABLE patients ADD COLUMN x integer;

-- add-col-const-default: patients:AX
ALTER TABLE patients ADD COLUMN x integer DEFAULT 7;

-- add-col-const-default-not-null: patients:AX
ALTER TABLE patients ADD COLUMN x integer NOT NULL DEFAULT 7;

-- add-col-default-now: patients:AX
ALTER TABLE patients ADD COLUMN x timestamptz DEFAULT now();

-- add-col-default-now-not-null: patients:AX
ALTER TABLE patients ADD COLUMN x timestamptz NOT NULL DEFAULT CURRENT_TIMESTAMP;

-- add-col-default-clock_timestamp: patients:AX REWRITE[patients]
ALTER TABLE patients ADD COLUMN x timestamptz DEFAULT clock_timestamp();

-- add-col-default-random: patients:AX REWRITE[patients]
ALTER TABLE patients ADD COLUMN x float DEFAULT random();

-- add-col-default-gen_random_uuid: ERR[42883] [-12]
--   patients:AX REWRITE[patients] [13-]
ALTER TABLE patients ADD COLUMN x uuid DEFAULT gen_random_uuid();

-- add-col-default-stable-fn: patients:AX
ALTER TABLE patients ADD COLUMN x timestamptz DEFAULT stable_now();

-- add-col-default-volatile-fn: ticket_seq:RX patients:AX REWRITE[patients]
ALTER TABLE patients ADD COLUMN x bigint DEFAULT next_ticket();

-- add-col-default-volatile-sql-fn-inlinable: patients:AX REWRITE[patients] [-11]
--   patients:AX [12-]
ALTER TABLE patients ADD COLUMN x integer DEFAULT inlined_one();

-- add-col-default-immutable-args: patients:AX
ALTER TABLE patients ADD COLUMN x text DEFAULT upper('a');

-- add-col-default-array: patients:AX
ALTER TABLE patients ADD COLUMN x integer[] DEFAULT ARRAY[1, 2];

-- add-col-default-nextval: ticket_seq:RX patients:AX REWRITE[patients]
ALTER TABLE patients ADD COLUMN x bigint DEFAULT nextval('ticket_seq');

-- add-col-serial: patients:AX REWRITE[patients]
ALTER TABLE patients ADD COLUMN x serial;

-- add-col-identity: patients:AX REWRITE[patients]
ALTER TABLE patients ALTER COLUMN id DROP IDENTITY;
ALTER TABLE patients ADD COLUMN x bigint GENERATED ALWAYS AS IDENTITY;

-- add-col-generated-stored: ERR[42601] [-11]
--   patients:AX REWRITE[patients] [12-]
ALTER TABLE patients ADD COLUMN x integer GENERATED ALWAYS AS (age + 1) STORED;

-- add-col-generated-virtual: ERR[42601] [-17]
--   patients:AX [18-]
ALTER TABLE patients ADD COLUMN x integer GENERATED ALWAYS AS (age + 1) VIRTUAL;

-- add-col-check: patients:AX SCAN[patients]
ALTER TABLE patients ADD COLUMN x integer CHECK (x > 0);

-- add-col-check-default: patients:AX SCAN[patients]
ALTER TABLE patients ADD COLUMN x integer DEFAULT 1 CHECK (x > 0);

-- add-col-check-on-other-col: patients:AX SCAN[patients]
ALTER TABLE patients ADD COLUMN x integer CHECK (age >= 0);

-- add-col-references: staff:SRX patients:AX
ALTER TABLE patients ADD COLUMN staff_id integer REFERENCES staff;

-- add-col-references-default: staff:SRX patients:AX SCAN[patients,staff] FKSCAN
ALTER TABLE patients ADD COLUMN staff_id integer DEFAULT 1 REFERENCES staff;

-- add-col-unique: patients:AX INDEX[patients]
ALTER TABLE patients ADD COLUMN x integer UNIQUE;

-- add-col-primary-key: archive:AX REWRITE[archive]
ALTER TABLE archive ADD COLUMN x serial PRIMARY KEY;

-- add-col-domain-with-check: patients:AX REWRITE[patients]
ALTER TABLE patients ADD COLUMN x positive_int;

-- add-col-domain-with-check-default: patients:AX REWRITE[patients]
ALTER TABLE patients ADD COLUMN x positive_int DEFAULT 1;

-- add-col-domain-nocheck-default: patients:AX
ALTER TABLE patients ADD COLUMN x plain_text DEFAULT 'a';

-- add-col-if-not-exists-noop: patients:AX
ALTER TABLE patients ADD COLUMN IF NOT EXISTS email text;

-- add-col-required: ERR[23502]
ALTER TABLE patients ADD COLUMN x integer NOT NULL;

-- drop-column: patients:AX
ALTER TABLE patients DROP COLUMN notes;

-- drop-column-indexed: patients:AX
ALTER TABLE patients DROP COLUMN email;

-- drop-column-view-dep: ERR[2BP01]
ALTER TABLE patients DROP COLUMN name;

-- drop-column-cascade-view: patients:AX active_patients:AX patient_counts:AX
ALTER TABLE patients DROP COLUMN active CASCADE;

-- drop-column-references: appointments:AX staff:AX
ALTER TABLE appointments DROP COLUMN staff_id;

-- rename-column: patients:AX
ALTER TABLE patients RENAME COLUMN email TO mail;

-- rename-table: patients:AX
ALTER TABLE patients RENAME TO people;

-- rename-constraint: patients:AX
ALTER TABLE patients RENAME CONSTRAINT patients_age_check TO adult;

-- rename-index:
ALTER INDEX patients_email_idx RENAME TO by_mail;

-- rename-view: active_patients:AX
ALTER VIEW active_patients RENAME TO active;

-- rename-matview: patient_counts:AX
ALTER MATERIALIZED VIEW patient_counts RENAME TO counts;

-- rename-sequence: ticket_seq:AX
ALTER SEQUENCE ticket_seq RENAME TO tickets;

-- rename-schema:
ALTER SCHEMA billing RENAME TO money;

-- set-schema: archive:AX
ALTER TABLE archive SET SCHEMA billing;

-- set-default: patients:AX
ALTER TABLE patients ALTER COLUMN age SET DEFAULT 1;

-- drop-default: patients:AX
ALTER TABLE patients ALTER COLUMN active DROP DEFAULT;

-- set-not-null: patients:AX SCAN[patients]
ALTER TABLE patients ALTER COLUMN age SET NOT NULL;

-- set-not-null-nulls: ERR[23502]
ALTER TABLE clinical_notes ALTER COLUMN "appointmentId" SET NOT NULL;

-- set-not-null-with-valid-check: patients:AX SCAN[patients] [-11]
--   patients:AX PROVEN [12-]
ALTER TABLE patients ALTER COLUMN mrn SET NOT NULL;

-- set-not-null-with-valid-check-and: readings:AX SCAN[readings] [-11]
--   readings:AX PROVEN [12-]
ALTER TABLE readings ALTER COLUMN unit SET NOT NULL;

-- set-not-null-with-notvalid-check: patients:AX SCAN[patients]
ALTER TABLE patients ADD CONSTRAINT nn CHECK (age IS NOT NULL) NOT VALID;
ALTER TABLE patients ALTER COLUMN age SET NOT NULL;

-- set-not-null-already: patients:AX
ALTER TABLE patients ALTER COLUMN name SET NOT NULL;

-- set-not-null-two-cols: patients:AX SCAN[patients]
ALTER TABLE patients ALTER COLUMN age SET NOT NULL, ALTER COLUMN legacy_id SET NOT NULL;

-- drop-not-null: patients:AX
ALTER TABLE patients ALTER COLUMN name DROP NOT NULL;

-- add-not-null-constraint: ERR[42601] [-17]
--   patients:AX SCAN[patients] [18-]
ALTER TABLE patients ADD CONSTRAINT nn NOT NULL age;

-- add-not-null-constraint-not-valid: ERR[42601] [-17]
--   patients:AX [18-]
ALTER TABLE patients ADD CONSTRAINT nn NOT NULL age NOT VALID;

-- validate-not-null-constraint: patients:SUX SCAN[patients] [18-]
ALTER TABLE patients ADD CONSTRAINT nn NOT NULL age NOT VALID;
ALTER TABLE patients VALIDATE CONSTRAINT nn;

-- set-not-null-after-validated-nn: patients:AX [18-]
ALTER TABLE patients ADD CONSTRAINT nn NOT NULL age NOT VALID;
ALTER TABLE patients VALIDATE CONSTRAINT nn;
ALTER TABLE patients ALTER COLUMN age SET NOT NULL;

-- drop-expression: patients:AX [13-]
ALTER TABLE patients ADD COLUMN x integer GENERATED ALWAYS AS (age + 1) STORED;
ALTER TABLE patients ALTER COLUMN x DROP EXPRESSION;

-- set-expression: patients:AX REWRITE[patients] [17-]
ALTER TABLE patients ADD COLUMN x integer GENERATED ALWAYS AS (age + 1) STORED;
ALTER TABLE patients ALTER COLUMN x SET EXPRESSION AS (age + 2);

-- set-expression-virtual: archive:AX [18-]
ALTER TABLE archive ADD COLUMN x integer GENERATED ALWAYS AS (id + 1) VIRTUAL;
ALTER TABLE archive ALTER COLUMN x SET EXPRESSION AS (id + 2);

-- add-identity: scratch:AX
ALTER TABLE scratch ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

-- drop-identity: patients:AX patients_id_seq:AX
ALTER TABLE patients ALTER COLUMN id DROP IDENTITY;

-- set-statistics: patients:SUX
ALTER TABLE patients ALTER COLUMN age SET STATISTICS 100;

-- set-storage: patients:AX
ALTER TABLE patients ALTER COLUMN notes SET STORAGE EXTERNAL;

-- set-compression: ERR[42601] [-13]
--   patients:AX [14-]
ALTER TABLE patients ALTER COLUMN notes SET COMPRESSION pglz;

-- set-n_distinct: patients:SUX
ALTER TABLE patients ALTER COLUMN age SET (n_distinct = 5);

-- type-int-to-bigint: patients:AX REWRITE[patients]
ALTER TABLE patients ALTER COLUMN age TYPE bigint;

-- type-smallint-to-int: readings:AX REWRITE[readings]
ALTER TABLE readings ALTER COLUMN small TYPE integer;

-- type-bigint-to-int: clinical_notes:AX REWRITE[clinical_notes]
ALTER TABLE clinical_notes ALTER COLUMN "appointmentId" TYPE integer;

-- type-varchar50-to-varchar100: patients:AX
ALTER TABLE patients ALTER COLUMN email TYPE varchar(100);

-- type-varchar50-to-varchar: patients:AX
ALTER TABLE patients ALTER COLUMN email TYPE varchar;

-- type-varchar50-to-text: patients:AX
ALTER TABLE patients ALTER COLUMN email TYPE text;

-- type-varchar50-to-varchar20: patients:AX REWRITE[patients]
ALTER TABLE patients ALTER COLUMN email TYPE varchar(20);

-- type-varchar50-to-varchar5: ERR[22001]
ALTER TABLE patients ALTER COLUMN email TYPE varchar(5);

-- type-text-to-varchar: patients:AX
ALTER TABLE patients ALTER COLUMN notes TYPE varchar;

-- type-text-to-varchar100: patients:AX REWRITE[patients]
ALTER TABLE patients ALTER COLUMN notes TYPE varchar(100);

-- type-text-to-citext: readings:AX INDEX[readings]
ALTER TABLE readings ALTER COLUMN label TYPE citext;

-- type-char10-to-char20: patients:AX REWRITE[patients]
ALTER TABLE patients ALTER COLUMN code TYPE char(20);

-- type-char10-to-text: patients:AX REWRITE[patients]
ALTER TABLE patients ALTER COLUMN code TYPE text;

-- type-char10-to-varchar10: patients:AX REWRITE[patients]
ALTER TABLE patients ALTER COLUMN code TYPE varchar(10);

-- type-numeric10_2-to-12_2: patients:AX
ALTER TABLE patients ALTER COLUMN balance TYPE numeric(12, 2);

-- type-numeric10_2-to-numeric: patients:AX
ALTER TABLE patients ALTER COLUMN balance TYPE numeric;

-- type-numeric10_2-to-12_3: patients:AX REWRITE[patients]
ALTER TABLE patients ALTER COLUMN balance TYPE numeric(12, 3);

-- type-numeric10_2-to-8_2: patients:AX REWRITE[patients]
ALTER TABLE patients ALTER COLUMN balance TYPE numeric(8, 2);

-- type-timestamp3-to-timestamp6: patients:AX
ALTER TABLE patients ALTER COLUMN created TYPE timestamp(6);

-- type-timestamp3-to-timestamp0: patients:AX REWRITE[patients]
ALTER TABLE patients ALTER COLUMN created TYPE timestamp(0);

-- type-timestamp-to-timestamptz-UTC: readings:AX REWRITE[readings] [-11]
--   readings:AX INDEX[readings] [12-]
SET TimeZone = 'UTC';
ALTER TABLE readings ALTER COLUMN taken TYPE timestamptz;

-- type-timestamp-to-timestamptz-NY: patients:AX REWRITE[patients]
SET TimeZone = 'America/New_York';
ALTER TABLE patients ALTER COLUMN created TYPE timestamptz;

-- type-timestamptz-to-timestamp-UTC: patients:AX REWRITE[patients] [-11]
--   patients:AX [12-]
SET TimeZone = 'UTC';
ALTER TABLE patients ALTER COLUMN seen TYPE timestamp;

-- type-date-to-timestamp: patients:AX REWRITE[patients]
ALTER TABLE patients ALTER COLUMN birth TYPE timestamp;

-- type-interval2-to-interval6: readings:AX
ALTER TABLE readings ALTER COLUMN wait TYPE interval(6);

-- type-varbit8-to-varbit16: readings:AX
ALTER TABLE readings ALTER COLUMN flags TYPE varbit(16);

-- type-cidr-to-inet: patients:AX
ALTER TABLE patients ALTER COLUMN ip TYPE inet;

-- type-json-to-jsonb: patients:AX REWRITE[patients]
ALTER TABLE patients ALTER COLUMN data TYPE jsonb;

-- type-jsonb-to-text: patients:AX REWRITE[patients]
ALTER TABLE patients ALTER COLUMN doc TYPE text;

-- type-int-to-text: patients:AX REWRITE[patients]
ALTER TABLE patients ALTER COLUMN legacy_id TYPE text;

-- type-text-to-int-using: archive:AX REWRITE[archive]
ALTER TABLE archive ALTER COLUMN payload TYPE integer USING length(payload);

-- type-text-to-int-without-using: ERR[42804]
ALTER TABLE archive ALTER COLUMN payload TYPE integer;

-- type-text-to-int-not-numeric: ERR[22P02]
ALTER TABLE patients ALTER COLUMN notes TYPE integer USING notes::integer;

-- type-int-same-type: patients:AX
ALTER TABLE patients ALTER COLUMN legacy_id TYPE integer;

-- type-same-type-with-check: patients:AX SCAN[patients]
ALTER TABLE patients ALTER COLUMN age TYPE integer;

-- type-timestamp3-to-timestamptz3-UTC: patients:AX REWRITE[patients]
SET TimeZone = 'UTC';
ALTER TABLE patients ALTER COLUMN created TYPE timestamptz(3);

-- type-varchar-collate: patients:AX INDEX[patients]
ALTER TABLE patients ALTER COLUMN email TYPE varchar(50) COLLATE "POSIX";

-- type-int-to-domain-nocheck: scratch:AX
ALTER TABLE scratch ALTER COLUMN note TYPE plain_text;

-- type-int-to-domain-check: patients:AX REWRITE[patients]
ALTER TABLE patients ALTER COLUMN legacy_id TYPE positive_int;

-- type-text-to-enum: scratch:AX REWRITE[scratch]
ALTER TABLE scratch ALTER COLUMN note TYPE dose_unit USING 'mg'::dose_unit;

-- type-with-check-on-col-varchar-widen: appointments:AX SCAN[appointments]
ALTER TABLE appointments ALTER COLUMN room_size TYPE varchar(40);

-- type-with-fk-int-to-bigint: staff:AX appointments:AX REWRITE[staff] SCAN[staff,appointments] FKSCAN
ALTER TABLE staff ALTER COLUMN id TYPE bigint;

-- type-fk-child-int-to-bigint: staff:AX appointments:AX REWRITE[appointments] SCAN[staff,appointments] FKSCAN
ALTER TABLE appointments ALTER COLUMN staff_id TYPE bigint;

-- type-view-dependency: ERR[0A000]
ALTER TABLE patients ALTER COLUMN active TYPE text;

-- type-on-partitioned: visits:AX visits_2024:AX visits_2025:AX visits_rest:AX REWRITE[visits_2024,visits_2025,visits_rest]
ALTER TABLE visits ALTER COLUMN kind TYPE varchar(9);

-- add-check: patients:AX SCAN[patients]
ALTER TABLE patients ADD CONSTRAINT ck CHECK (age < 999);

-- add-check-violated: ERR[23514]
ALTER TABLE patients ADD CONSTRAINT ck CHECK (age < 30);

-- add-check-not-valid: patients:AX
ALTER TABLE patients ADD CONSTRAINT ck CHECK (age < 999) NOT VALID;

-- validate-check: invoices:SUX SCAN[invoices]
ALTER TABLE invoices VALIDATE CONSTRAINT invoices_amount_check;

-- validate-already-valid: patients:SUX
ALTER TABLE patients VALIDATE CONSTRAINT patients_age_check;

-- drop-check: patients:AX
ALTER TABLE patients DROP CONSTRAINT patients_age_check;

-- add-fk: clinical_notes:SRX staff:SRX SCAN[clinical_notes,staff] FKSCAN
ALTER TABLE clinical_notes ADD CONSTRAINT fk FOREIGN KEY (author_id) REFERENCES staff;

-- add-fk-orphans: ERR[23503]
ALTER TABLE clinical_notes ADD FOREIGN KEY ("appointmentId") REFERENCES appointments;

-- add-fk-not-valid: clinical_notes:SRX appointments:SRX
ALTER TABLE clinical_notes ADD FOREIGN KEY ("appointmentId") REFERENCES appointments NOT VALID;

-- add-fk-self: readings:SRX SCAN[readings] FKSCAN
ALTER TABLE readings ADD FOREIGN KEY (parent_id) REFERENCES readings;

-- add-fk-and-column: clinical_notes:AX staff:SRX SCAN[clinical_notes,staff] FKSCAN
ALTER TABLE clinical_notes ADD COLUMN x integer, ADD FOREIGN KEY (author_id) REFERENCES staff;

-- validate-fk: invoices:SUX patients:RS SCAN[invoices,patients] FKSCAN
ALTER TABLE invoices VALIDATE CONSTRAINT invoices_patient_fk;

-- drop-fk: invoices:AX patients:AX
ALTER TABLE invoices DROP CONSTRAINT invoices_patient_fk;

-- alter-constraint-deferrable: invoices:AX
ALTER TABLE invoices ALTER CONSTRAINT invoices_patient_fk DEFERRABLE;

-- create-table-with-fk: staff:SRX
CREATE TABLE fresh (id integer REFERENCES staff);

-- create-table-no-fk:
CREATE TABLE fresh (id integer PRIMARY KEY);

-- drop-table-with-fk: scratch_child:AX scratch:AX
DROP TABLE scratch_child;

-- drop-table-referenced: ERR[2BP01]
DROP TABLE scratch;

-- drop-referenced-table-cascade: scratch:AX scratch_child:AX
DROP TABLE scratch CASCADE;

-- add-unique: patients:AX INDEX[patients]
ALTER TABLE patients ADD CONSTRAINT u UNIQUE (legacy_id);

-- add-unique-duplicates: ERR[23505]
ALTER TABLE patients ADD CONSTRAINT u UNIQUE (email);

-- add-unique-using-index: patients:AX
ALTER TABLE patients ADD CONSTRAINT u UNIQUE USING INDEX patients_mrn_key_idx;

-- add-unique-deferrable: patients:AX INDEX[patients]
ALTER TABLE patients ADD CONSTRAINT u UNIQUE (legacy_id) DEFERRABLE;

-- add-pk: archive:AX SCAN[archive] INDEX[archive]
ALTER TABLE archive ADD PRIMARY KEY (id);

-- add-pk-notnull-cols: devices:AX INDEX[devices]
DROP TABLE pumps;
ALTER TABLE devices ADD PRIMARY KEY (id);

-- add-pk-using-index-nullable: imports:AX SCAN[imports]
ALTER TABLE imports ADD PRIMARY KEY USING INDEX imports_source_idx;

-- add-pk-using-index-notnull: imports:AX
ALTER TABLE imports ADD PRIMARY KEY USING INDEX imports_line_idx;

-- add-pk-using-index-valid-check: imports:AX SCAN[imports] [-11]
--   imports:AX PROVEN [12-]
ALTER TABLE imports ADD PRIMARY KEY USING INDEX imports_batch_idx;

-- drop-pk: scratch_child:AX
ALTER TABLE scratch_child DROP CONSTRAINT scratch_child_pkey;

-- add-exclude: appointments:AX SCAN[appointments] INDEX[appointments]
ALTER TABLE appointments ADD EXCLUDE USING gist ("roomNo" WITH =, during WITH &&);

-- add-fk-partitioned: visits:SRX visits_2024:SRX visits_2025:SRX visits_rest:SRX patients:SRX SCAN[patients,visits_2024,visits_2025,visits_rest] FKSCAN
ALTER TABLE visits ADD FOREIGN KEY (id) REFERENCES patients;

-- add-fk-not-valid-partitioned: ERR[42809] [-17]
--   visits:SRX visits_2024:SRX visits_2025:SRX visits_rest:SRX patients:SRX [18-]
ALTER TABLE visits ADD FOREIGN KEY (id) REFERENCES patients NOT VALID;

-- create-index: patients:S INDEX[patients]
CREATE INDEX ON patients (age);

-- create-index-if-not-exists-existing: patients:S
CREATE INDEX IF NOT EXISTS patients_email_idx ON patients (email);

-- create-unique-index: patients:S INDEX[patients]
CREATE UNIQUE INDEX ON patients (legacy_id);

-- create-unique-index-duplicates: ERR[23505]
CREATE UNIQUE INDEX ON patients (email);

-- create-index-on-partitioned: visits:S visits_2024:S visits_2025:S visits_rest:S INDEX[visits_2024,visits_2025,visits_rest]
CREATE INDEX ON visits (kind);

-- create-index-on-only-partitioned: visits:S
CREATE INDEX ON ONLY visits (kind);

-- create-index-on-parent: devices:S INDEX[devices]
CREATE INDEX ON devices (name);

-- create-index-on-matview: patient_counts:S INDEX[patient_counts]
CREATE INDEX ON patient_counts (total);

-- attach-index: visits:AS visits_2024:AS
CREATE INDEX by_kind ON ONLY visits (kind);
CREATE INDEX by_kind_2024 ON visits_2024 (kind);
ALTER INDEX by_kind ATTACH PARTITION by_kind_2024;

-- drop-index: patients:AX
DROP INDEX patients_email_idx;

-- drop-index-partitioned: visits:AX visits_2024:AX visits_2025:AX visits_rest:AX
CREATE INDEX by_kind ON visits (kind);
DROP INDEX by_kind;

-- reindex-index: patients:S INDEX[patients]
REINDEX INDEX patients_email_idx;

-- reindex-table: patients:S INDEX[patients]
REINDEX TABLE patients;

-- alter-index-set-fillfactor:
ALTER INDEX patients_email_idx SET (fillfactor = 80);

-- cluster: patients:AX REWRITE[patients]
CLUSTER patients USING patients_email_idx;

-- alter-table-cluster-on: patients:SUX
ALTER TABLE patients CLUSTER ON patients_email_idx;

-- set-without-cluster: patients:SUX
ALTER TABLE patients SET WITHOUT CLUSTER;

-- set-unlogged: archive:AX REWRITE[archive]
ALTER TABLE archive SET UNLOGGED;

-- set-logged: archive:AX REWRITE[archive]
ALTER TABLE archive SET UNLOGGED;
ALTER TABLE archive SET LOGGED;

-- set-tablespace-same: archive:AX
ALTER TABLE archive SET TABLESPACE pg_default;

-- set-fillfactor: patients:SUX
ALTER TABLE patients SET (fillfactor = 80);

-- reset-fillfactor: patients:SUX
ALTER TABLE patients RESET (fillfactor);

-- set-autovacuum: patients:SUX
ALTER TABLE patients SET (autovacuum_enabled = false);

-- set-access-method-same: ERR[42601] [-14]
--   patients:AX [15-]
ALTER TABLE patients SET ACCESS METHOD heap;

-- replica-identity-full: patients:AX
ALTER TABLE patients REPLICA IDENTITY FULL;

-- replica-identity-index: imports:AX
ALTER TABLE imports REPLICA IDENTITY USING INDEX imports_line_idx;

-- enable-rls: patients:AX
ALTER TABLE patients ENABLE ROW LEVEL SECURITY;

-- force-rls: patients:AX
ALTER TABLE patients FORCE ROW LEVEL SECURITY;

-- owner-to: patients:AX
ALTER TABLE patients OWNER TO CURRENT_USER;

-- inherit: scales:AX devices:SUX
ALTER TABLE scales INHERIT devices;

-- no-inherit: pumps:AX devices:AS
ALTER TABLE pumps NO INHERIT devices;

-- add-column-inheritance: devices:AX pumps:AX REWRITE[devices,pumps]
ALTER TABLE devices ADD COLUMN x serial;

-- add-column-only: devices:AX pumps:AX
ALTER TABLE devices ADD COLUMN x integer;

-- rename-column-inheritance: devices:AX pumps:AX
ALTER TABLE devices RENAME COLUMN name TO title;

-- truncate: archive:AX REWRITE[archive]
TRUNCATE archive;

-- truncate-referenced: ERR[0A000]
TRUNCATE scratch;

-- truncate-cascade: scratch:AX scratch_child:AX REWRITE[scratch,scratch_child]
TRUNCATE scratch CASCADE;

-- truncate-partitioned: logs:AX logs_a:AX logs_b:AX REWRITE[logs_a,logs_b]
TRUNCATE logs;

-- truncate-restart-identity: archive:AX REWRITE[archive]
TRUNCATE archive RESTART IDENTITY;

-- drop-table: doses:AX
DROP TABLE doses;

-- drop-table-partitioned: logs:AX logs_a:AX logs_b:AX
DROP TABLE logs;

-- drop-view: active_patients:AX
DROP VIEW active_patients;

-- create-view: patients:AS
CREATE VIEW fresh AS SELECT id FROM patients;

-- create-or-replace-view: active_patients:AX patients:AS
CREATE OR REPLACE VIEW active_patients AS SELECT id, name FROM patients;

-- drop-sequence: ticket_seq:AX
DROP SEQUENCE ticket_seq;

-- alter-sequence-restart: ticket_seq:SRX REWRITE[ticket_seq]
ALTER SEQUENCE ticket_seq RESTART;

-- drop-schema-cascade: billing.rates:AX
DROP SCHEMA billing CASCADE;

-- lock-table: patients:AX
LOCK TABLE patients;

-- lock-table-mode: patients:S
LOCK TABLE patients IN SHARE MODE;

-- lock-table-partitioned: logs:S logs_a:S logs_b:S
LOCK TABLE logs IN SHARE MODE;

-- comment-on-table: patients:SUX
COMMENT ON TABLE patients IS 'people';

-- comment-on-column: patients:SUX
COMMENT ON COLUMN patients.age IS 'years';

-- grant: [-17]
--   patients:AS [18-]
GRANT SELECT ON patients TO PUBLIC;

-- create-statistics: patients:SUX
CREATE STATISTICS s ON age, mrn FROM patients;

-- analyze: patients:SUX
ANALYZE patients;

-- create-table-as: patients:AS SCAN[patients]
CREATE TABLE fresh AS SELECT * FROM patients;

-- select-into: patients:AS SCAN[patients]
SELECT * INTO fresh FROM patients;

-- create-table-like: patients:AS
CREATE TABLE fresh (LIKE patients INCLUDING INDEXES);

-- create-trigger: staff:SRX
CREATE TRIGGER t AFTER UPDATE ON staff FOR EACH ROW EXECUTE FUNCTION touch();

-- create-or-replace-trigger: ERR[42601] [-13]
--   patients:SRX [14-]
CREATE OR REPLACE TRIGGER patients_touch BEFORE INSERT ON patients FOR EACH ROW EXECUTE FUNCTION touch();

-- drop-trigger: patients:AX
DROP TRIGGER patients_touch ON patients;

-- disable-trigger: patients:SRX
ALTER TABLE patients DISABLE TRIGGER patients_touch;

-- disable-trigger-all: patients:SRX
ALTER TABLE patients DISABLE TRIGGER ALL;

-- enable-trigger: patients:SRX
ALTER TABLE patients ENABLE TRIGGER patients_touch;

-- rename-trigger: patients:AX
ALTER TRIGGER patients_touch ON patients RENAME TO t;

-- create-rule: archive:AX
CREATE RULE r AS ON DELETE TO archive DO INSTEAD NOTHING;

-- create-policy: patients:AX
CREATE POLICY p ON patients USING (true);

-- drop-policy: patients:AX
CREATE POLICY p ON patients USING (true);
DROP POLICY p ON patients;

-- attach-partition: logs_c:AX logs:AX SCAN[logs_c] [-11]
--   logs_c:AX logs:SUX SCAN[logs_c] [12-]
ALTER TABLE logs ATTACH PARTITION logs_c FOR VALUES IN ('c');

-- attach-partition-with-check: logs_c:AX logs:AX PROVEN [-11]
--   logs_c:AX logs:SUX PROVEN [12-]
ALTER TABLE logs_c ADD CHECK (kind IS NOT NULL AND kind = 'c');
ALTER TABLE logs ATTACH PARTITION logs_c FOR VALUES IN ('c');

-- attach-partition-with-default-part: visits_2026:AX visits:AX visits_rest:AX SCAN[visits_rest] PROVEN [-11]
--   visits_2026:AX visits:SUX visits_rest:AX SCAN[visits_rest] PROVEN [12-]
ALTER TABLE visits ATTACH PARTITION visits_2026 FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');

-- attach-partition-fk-index: logs_c:AX logs:AX SCAN[logs_c] INDEX[logs_c] [-11]
--   logs_c:AX logs:SUX SCAN[logs_c] INDEX[logs_c] [12-]
CREATE INDEX ON logs (kind);
ALTER TABLE logs ATTACH PARTITION logs_c FOR VALUES IN ('c');

-- attach-partition-outside: ERR[23514]
ALTER TABLE logs ATTACH PARTITION logs_c FOR VALUES IN ('d');

-- create-partition-of: logs:AX
CREATE TABLE logs_d PARTITION OF logs FOR VALUES IN ('d');

-- create-partition-of-with-default: visits:AX visits_rest:AX SCAN[visits_rest]
CREATE TABLE visits_2027 PARTITION OF visits FOR VALUES FROM ('2027-01-01') TO ('2028-01-01');

-- detach-partition: logs:AX logs_a:SUX [-13]
--   logs:AX logs_a:AX [14-]
ALTER TABLE logs DETACH PARTITION logs_a;

-- drop-partition: logs:AX logs_a:AX
DROP TABLE logs_a;

-- partitioned-add-column: logs:AX logs_a:AX logs_b:AX
ALTER TABLE logs ADD COLUMN x integer;

-- partitioned-add-check: logs:AX logs_a:AX logs_b:AX SCAN[logs_a,logs_b]
ALTER TABLE logs ADD CHECK (id > 0);

-- refresh-matview: patient_counts:AX patients:AS REWRITE[patient_counts] SCAN[patients]
REFRESH MATERIALIZED VIEW patient_counts;

-- refresh-matview-concurrently: patient_counts:X patients:AS SCAN[patients,patient_counts]
REFRESH MATERIALIZED VIEW CONCURRENTLY patient_counts;

-- refresh-matview-without-key: ERR[55000]
REFRESH MATERIALIZED VIEW CONCURRENTLY staff_counts;

-- refresh-matview-no-data: patient_counts:AX REWRITE[patient_counts]
REFRESH MATERIALIZED VIEW patient_counts WITH NO DATA;

-- drop-matview: patient_counts:AX
DROP MATERIALIZED VIEW patient_counts;

-- enum-add-value:
ALTER TYPE staff_role ADD VALUE 'porter';

-- enum-rename-value:
ALTER TYPE staff_role RENAME VALUE 'clerk' TO 'desk';

-- enum-recreate: staff:AX REWRITE[staff]
CREATE TYPE role2 AS ENUM ('doctor', 'nurse', 'clerk');
ALTER TABLE staff ALTER COLUMN role TYPE role2 USING role::text::role2;

-- enum-narrow: ERR[22P02]
CREATE TYPE role2 AS ENUM ('doctor', 'nurse');
ALTER TABLE staff ALTER COLUMN role TYPE role2 USING role::text::role2;

-- domain-add-check: doses:S SCAN[doses]
ALTER DOMAIN positive_int ADD CHECK (VALUE < 9000);

-- domain-add-check-violated: ERR[23514]
ALTER DOMAIN positive_int ADD CHECK (VALUE < 2);

-- domain-add-check-not-valid:
ALTER DOMAIN positive_int ADD CHECK (VALUE < 9000) NOT VALID;

-- domain-validate: doses:S SCAN[doses]
ALTER DOMAIN positive_int ADD CONSTRAINT low CHECK (VALUE < 9000) NOT VALID;
ALTER DOMAIN positive_int VALIDATE CONSTRAINT low;

-- domain-set-not-null: doses:S SCAN[doses]
ALTER DOMAIN positive_int SET NOT NULL;

-- domain-drop-not-null:
ALTER DOMAIN positive_int SET NOT NULL;
ALTER DOMAIN positive_int DROP NOT NULL;

-- drop-type-cascade: doses:AX
DROP TYPE dose_unit CASCADE;

-- drop-domain-cascade: doses:AX
DROP DOMAIN positive_int CASCADE;

-- alter-composite-add-attr: address:AX addresses:AX
ALTER TYPE address ADD ATTRIBUTE zip text CASCADE;

-- update-all: patients:RX SCAN[patients]
UPDATE patients SET notes = '';

-- update-where: archive:RX SCAN[archive]
UPDATE archive SET payload = '' WHERE id = 1;

-- delete-all: archive:RX SCAN[archive]
DELETE FROM archive;

-- insert: archive:RX
INSERT INTO archive VALUES (1, '');

-- insert-select: archive:RX readings:AS SCAN[readings]
INSERT INTO archive SELECT 1, label FROM readings;

-- select: archive:AS SCAN[archive]
SELECT * FROM archive;

-- select-for-update: archive:RS SCAN[archive]
SELECT * FROM archive FOR UPDATE;

-- delete-parent-fk: staff:RX SCAN[staff]
DELETE FROM staff WHERE id = 9;

-- delete-parent-fk-rows: patients:RX appointments:RS invoices:RS SCAN[patients,appointments,invoices]
DELETE FROM patients WHERE id = 40;

-- create-index-concurrently: patients:SUX INDEX[patients]
CREATE INDEX CONCURRENTLY ON patients (age);

-- create-unique-index-concurrently-duplicates: ERR[23505]
CREATE UNIQUE INDEX CONCURRENTLY ON patients (email);

-- drop-index-concurrently: patients:SUX
DROP INDEX CONCURRENTLY patients_email_idx;

-- reindex-index-concurrently: ERR[42601] [-11]
--   patients:SUX INDEX[patients] [12-]
REINDEX INDEX CONCURRENTLY patients_email_idx;

-- reindex-table-concurrently: ERR[42601] [-11]
--   patients:SUX INDEX[patients] [12-]
REINDEX TABLE CONCURRENTLY patients;

-- detach-partition-concurrently: ERR[42601] [-13]
--   logs:SUX logs_a:AX [14-]
ALTER TABLE logs DETACH PARTITION logs_a CONCURRENTLY;

-- detach-partition-concurrently-with-default: ERR[42601] [-13]
--   ERR[55000] [14-]
ALTER TABLE visits DETACH PARTITION visits_2024 CONCURRENTLY;

-- vacuum: patients:SUX
VACUUM patients;

-- vacuum-full: archive:AX REWRITE[archive]
VACUUM FULL archive;

-- drop-column-of-identity: active_patients:AX appointments:AX invoices:AX patients:AX patients_id_seq:AX
ALTER TABLE patients DROP COLUMN id CASCADE;

-- drop-table-of-identity: x:AX x_id_seq:AX
CREATE TABLE x (id bigint GENERATED ALWAYS AS IDENTITY);
DROP TABLE x;

-- set-schema-of-identity: patients:AX patients_id_seq:AX
ALTER TABLE patients SET SCHEMA billing;

-- owner-of-identity: patients:AX patients_id_seq:AX
ALTER TABLE patients OWNER TO pg_monitor;

-- comment-on-constraint: patients:AS
COMMENT ON CONSTRAINT patients_age_check ON patients IS 'a';

-- comment-on-index:
COMMENT ON INDEX patients_email_idx IS 'a';

-- comment-on-view: active_patients:SUX
COMMENT ON VIEW active_patients IS 'a';

-- comment-on-trigger: patients:AS
COMMENT ON TRIGGER patients_touch ON patients IS 'a';

-- comment-on-type:
COMMENT ON TYPE address IS 'a';

-- comment-on-sequence: ticket_seq:SUX
COMMENT ON SEQUENCE ticket_seq IS 'a';

-- drop-statistics:  [-11]
--   patients:SUX [12-]
CREATE STATISTICS s ON age, mrn FROM patients;
DROP STATISTICS s;

-- alter-statistics: ERR[42601] [-12]
--    [13-]
CREATE STATISTICS s ON age, mrn FROM patients;
ALTER STATISTICS s SET STATISTICS 100;

-- alter-sequence-increment: ticket_seq:SRX REWRITE[ticket_seq]
ALTER SEQUENCE ticket_seq INCREMENT 5;

-- alter-sequence-type: ticket_seq:SRX REWRITE[ticket_seq]
ALTER SEQUENCE ticket_seq AS integer;

-- alter-sequence-owned-by: archive:AS ticket_seq:SRX
ALTER SEQUENCE ticket_seq OWNED BY archive.id;

-- alter-sequence-owner: ticket_seq:AX
ALTER SEQUENCE ticket_seq OWNER TO pg_monitor;

-- set-identity: patients:AX patients_id_seq:SRX
ALTER TABLE patients ALTER COLUMN id SET GENERATED ALWAYS;

-- set-identity-restart: patients:AX patients_id_seq:SRX REWRITE[patients_id_seq]
ALTER TABLE patients ALTER COLUMN id RESTART WITH 1000;

-- type-fk-binary: c:AX p:AX
CREATE TABLE p (a varchar(10) PRIMARY KEY);
CREATE TABLE c (a varchar(10) REFERENCES p);
ALTER TABLE c ALTER COLUMN a TYPE text;

-- type-fk-binary-parent: c:AX p:AX
CREATE TABLE p (a varchar(10) PRIMARY KEY);
CREATE TABLE c (a varchar(10) REFERENCES p);
ALTER TABLE p ALTER COLUMN a TYPE text;

-- add-fk-to-partitioned: ERR[42809] [-11]
--   c:SRX visits:SRX visits_2024:SRX visits_2025:SRX visits_rest:SRX SCAN[c] FKSCAN [12-]
CREATE TABLE c (id bigint, day date);
ALTER TABLE c ADD FOREIGN KEY (id, day) REFERENCES visits;

-- drop-fk-to-partitioned: c:AX visits:AX visits_2024:AX visits_2025:AX visits_rest:AX [12-]
CREATE TABLE c (id bigint, day date, CONSTRAINT fk FOREIGN KEY (id, day) REFERENCES visits);
ALTER TABLE c DROP CONSTRAINT fk;

-- drop-fk-of-partitioned: patients:AX visits:AX visits_2024:AX visits_2025:AX visits_rest:AX
ALTER TABLE visits ADD CONSTRAINT fk FOREIGN KEY (id) REFERENCES patients;
ALTER TABLE visits DROP CONSTRAINT fk;

-- detach-partition-with-fk: patients:SRX visits:AX visits_2024:SUX visits_rest:AX [-13]
--   patients:SRX visits:AX visits_2024:AX visits_rest:AX [14-]
ALTER TABLE visits ADD CONSTRAINT fk FOREIGN KEY (id) REFERENCES patients;
ALTER TABLE visits DETACH PARTITION visits_2024;

-- detach-partition-with-default: visits:AX visits_2024:SUX visits_rest:AX [-13]
--   visits:AX visits_2024:AX visits_rest:AX [14-]
ALTER TABLE visits DETACH PARTITION visits_2024;

-- attach-partition-with-fk: patients:RS visits:AX visits_2026:AX visits_rest:AX SCAN[patients,visits_2026,visits_rest] FKSCAN PROVEN [-11]
--   patients:SRX visits:SUX visits_2026:AX visits_rest:AX SCAN[patients,visits_2026,visits_rest] FKSCAN PROVEN [12-]
ALTER TABLE visits ADD CONSTRAINT fk FOREIGN KEY (id) REFERENCES patients;
ALTER TABLE visits ATTACH PARTITION visits_2026 FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');

-- create-partition-of-with-fk: patients:AS visits:AX visits_rest:AX SCAN[visits_rest] [-11]
--   patients:SRX visits:AX visits_rest:AX SCAN[visits_rest] [12-]
ALTER TABLE visits ADD CONSTRAINT fk FOREIGN KEY (id) REFERENCES patients;
CREATE TABLE visits_2027 PARTITION OF visits FOR VALUES FROM ('2027-01-01') TO ('2028-01-01');

-- drop-partition-with-fk: visits:AX visits_2024:AX visits_rest:AX
ALTER TABLE visits ADD CONSTRAINT fk FOREIGN KEY (id) REFERENCES patients;
DROP TABLE visits_2024;

-- attach-default: logs:AX logs_c:AX SCAN[logs_c] [-11]
--   logs:SUX logs_c:AX SCAN[logs_c] [12-]
ALTER TABLE logs ATTACH PARTITION logs_c DEFAULT;

-- create-default: logs:AX
CREATE TABLE logs_rest PARTITION OF logs DEFAULT;

-- attach-partition-default-proven: visits:AX visits_2026:AX visits_rest:AX PROVEN [-11]
--   visits:SUX visits_2026:AX visits_rest:AX PROVEN [12-]
ALTER TABLE visits_rest ADD CHECK (day < '2024-01-01');
ALTER TABLE visits ATTACH PARTITION visits_2026 FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');

-- add-col-required-empty: archive:AX SCAN[archive]
TRUNCATE archive;
ALTER TABLE archive ADD COLUMN x integer NOT NULL;

-- create-publication: patients:SUX
CREATE PUBLICATION p FOR TABLE patients;

-- alter-publication-add: staff:SUX
CREATE PUBLICATION p FOR TABLE patients;
ALTER PUBLICATION p ADD TABLE staff;

-- alter-publication-drop: patients:SUX
CREATE PUBLICATION p FOR TABLE patients;
ALTER PUBLICATION p DROP TABLE patients;

-- create-publication-all:
CREATE PUBLICATION p FOR ALL TABLES;

-- alter-view-set: active_patients:AX
ALTER VIEW active_patients SET (security_barrier = true);

-- alter-view-default: active_patients:AX
ALTER VIEW active_patients ALTER COLUMN name SET DEFAULT 'a';

-- alter-view-owner: active_patients:AX
ALTER VIEW active_patients OWNER TO pg_monitor;

-- alter-view-schema: active_patients:AX
ALTER VIEW active_patients SET SCHEMA billing;

-- alter-matview-set: patient_counts:SUX
ALTER MATERIALIZED VIEW patient_counts SET (fillfactor = 70);

-- alter-policy: patients:AX
CREATE POLICY p ON patients USING (true);
ALTER POLICY p ON patients USING (false);

-- rename-policy: patients:AX
CREATE POLICY p ON patients USING (true);
ALTER POLICY p ON patients RENAME TO q;

-- drop-rule: archive:AX
CREATE RULE r AS ON DELETE TO archive DO INSTEAD NOTHING;
DROP RULE r ON archive;

-- create-trigger-partitioned: visits:SRX visits_2024:SRX visits_2025:SRX visits_rest:SRX
CREATE TRIGGER t AFTER INSERT ON visits FOR EACH ROW EXECUTE FUNCTION touch();

-- create-trigger-partitioned-statement: visits:SRX
CREATE TRIGGER t AFTER INSERT ON visits FOR EACH STATEMENT EXECUTE FUNCTION touch();

-- drop-trigger-partitioned: visits:AX visits_2024:AX visits_2025:AX visits_rest:AX
CREATE TRIGGER t AFTER INSERT ON visits FOR EACH ROW EXECUTE FUNCTION touch();
DROP TRIGGER t ON visits;

-- rename-trigger-partitioned: visits:AX [-14]
--   visits:AX visits_2024:AX visits_2025:AX visits_rest:AX [15-]
CREATE TRIGGER t AFTER INSERT ON visits FOR EACH ROW EXECUTE FUNCTION touch();
ALTER TRIGGER t ON visits RENAME TO u;

-- disable-trigger-partitioned: visits:SRX visits_2024:SRX visits_2025:SRX visits_rest:SRX
CREATE TRIGGER t AFTER INSERT ON visits FOR EACH ROW EXECUTE FUNCTION touch();
ALTER TABLE visits DISABLE TRIGGER t;

-- create-constraint-trigger: archive:SRX staff:AS
CREATE CONSTRAINT TRIGGER t AFTER INSERT ON archive FROM staff FOR EACH ROW EXECUTE FUNCTION touch();

-- rename-composite: address:AX
ALTER TYPE address RENAME TO place;

-- composite-drop-attr: address:AX addresses:AX
ALTER TYPE address DROP ATTRIBUTE city CASCADE;

-- composite-rename-attr: address:AX addresses:AX
ALTER TYPE address RENAME ATTRIBUTE city TO town CASCADE;

-- type-set-schema:
ALTER TYPE address SET SCHEMA billing;

-- drop-composite-cascade: address:AX addresses:AX doses:AX
DROP TYPE address CASCADE;

-- copy-to: SCAN[archive] [-12]
--   archive:AS SCAN[archive] [13-]
COPY archive TO '/dev/null';

-- merge: ERR[42601] [-14]
--   archive:RX readings:AS SCAN[archive,readings] [15-]
MERGE INTO archive a USING readings r ON a.id = r.id WHEN MATCHED THEN DELETE;

-- insert-fk-child: appointments:RX patients:RS staff:RS SCAN[patients,staff]
INSERT INTO appointments VALUES (99, 1, 1);

-- insert-partitioned: visits:RX visits_2024:RX visits_2025:RX visits_rest:RX [-11]
--   visits:RX visits_2024:RX [12-]
INSERT INTO visits VALUES (99, '2024-06-01', 'a');

-- select-partitioned: visits:AS visits_2024:AS visits_2025:AS visits_rest:AS SCAN[visits_2024,visits_2025,visits_rest]
SELECT * FROM visits;

-- select-view: active_patients:AS patients:AS SCAN[patients]
SELECT * FROM active_patients;

-- select-inherited: devices:AS pumps:AS SCAN[devices,pumps]
SELECT * FROM devices;

-- update-fk-column: appointments:RX staff:RS SCAN[appointments,staff]
UPDATE appointments SET staff_id = 1;

-- update-key: appointments:RS invoices:RS patients:RX SCAN[appointments,invoices,patients]
UPDATE patients SET id = id + 1000 WHERE id = 40;

-- delete-cascading: c:RX p:RX SCAN[c,p]
CREATE TABLE p (id integer PRIMARY KEY);
CREATE TABLE c (id integer REFERENCES p ON DELETE CASCADE);
INSERT INTO p VALUES (1);
INSERT INTO c VALUES (1);
DELETE FROM p;

-- delete-partitioned: visits:RX visits_2024:RX visits_2025:RX visits_rest:RX SCAN[visits_2024,visits_2025,visits_rest]
DELETE FROM visits;

-- create-table-inherits: devices:SUX
CREATE TABLE fresh (x integer) INHERITS (devices);

-- create-table-of: address:AS
CREATE TABLE fresh OF address;

-- create-table-fk-partitioned-target: ERR[42809] [-11]
--   visits:SRX visits_2024:SRX visits_2025:SRX visits_rest:SRX [12-]
CREATE TABLE fresh (id bigint, day date, FOREIGN KEY (id, day) REFERENCES visits);

-- drop-function-cascade: archive:AX
ALTER TABLE archive ALTER COLUMN id SET DEFAULT next_ticket();
DROP FUNCTION next_ticket CASCADE;

-- drop-function-trigger-cascade: patients:AX
DROP FUNCTION touch CASCADE;

-- drop-sequence-cascade: archive:AX ticket_seq:AX
ALTER TABLE archive ALTER COLUMN id SET DEFAULT nextval('ticket_seq');
DROP SEQUENCE ticket_seq CASCADE;

-- drop-pk-cascade: scratch:AX scratch_child:AX
ALTER TABLE scratch DROP CONSTRAINT scratch_pkey CASCADE;

-- drop-column-referenced-cascade: scratch:AX scratch_child:AX
ALTER TABLE scratch DROP COLUMN id CASCADE;

-- drop-view-cascade: active_patients:AX v2:AX
CREATE VIEW v2 AS SELECT * FROM active_patients;
DROP VIEW active_patients CASCADE;

-- drop-inherited-cascade: devices:AX pumps:AX
DROP TABLE devices CASCADE;

-- drop-heir: pumps:AX
DROP TABLE pumps;

-- drop-extension-cascade: archive:AX
ALTER TABLE archive ADD COLUMN c citext;
DROP EXTENSION citext CASCADE;

-- reindex-schema: billing.rates:S INDEX[billing.rates]
REINDEX SCHEMA billing;

-- analyze-partitioned: visits:SUX visits_2024:SUX visits_2025:SUX visits_rest:SUX
ANALYZE visits;

-- create-index-on-partition: visits_2024:S INDEX[visits_2024]
CREATE INDEX ON visits_2024 (kind);

-- alter-only: devices:AX SCAN[devices]
ALTER TABLE ONLY devices ADD CHECK (id > 0) NO INHERIT;

-- domain-over-domain: archive:S doses:S SCAN[archive,doses]
CREATE DOMAIN small_int AS positive_int;
ALTER TABLE archive ADD COLUMN c small_int;
ALTER DOMAIN positive_int ADD CHECK (VALUE < 900);

-- domain-partitioned: doses:S logs_a:S logs_b:S SCAN[doses,logs_a,logs_b]
ALTER TABLE logs ADD COLUMN c positive_int;
ALTER DOMAIN positive_int ADD CHECK (VALUE < 900);

-- drop-domain-constraint:
ALTER DOMAIN positive_int DROP CONSTRAINT positive_int_check;

-- partition-validate: visits:SUX visits_2024:SUX visits_2025:SUX visits_rest:SUX SCAN[visits_2024,visits_2025,visits_rest]
ALTER TABLE visits ADD CONSTRAINT ck CHECK (id > 0) NOT VALID;
ALTER TABLE visits VALIDATE CONSTRAINT ck;

-- set-statistics-partitioned: visits:SUX visits_2024:SUX visits_2025:SUX visits_rest:SUX
ALTER TABLE visits ALTER COLUMN kind SET STATISTICS 10;

-- set-storage-partitioned: visits:AX visits_2024:AX visits_2025:AX visits_rest:AX
ALTER TABLE visits ALTER COLUMN kind SET STORAGE EXTERNAL;

-- rls-partitioned: visits:AX
ALTER TABLE visits ENABLE ROW LEVEL SECURITY;

-- owner-partitioned: visits:AX
ALTER TABLE visits OWNER TO pg_monitor;

-- set-default-partitioned: visits:AX visits_2024:AX visits_2025:AX visits_rest:AX
ALTER TABLE visits ALTER COLUMN kind SET DEFAULT 'a';

-- rename-constraint-partitioned: visits:AX visits_2024:AX visits_2025:AX visits_rest:AX
ALTER TABLE visits ADD CONSTRAINT ck CHECK (id > 0);
ALTER TABLE visits RENAME CONSTRAINT ck TO cl;

-- rename-partitioned: visits:AX
ALTER TABLE visits RENAME TO v;

-- set-schema-partitioned: visits:AX
ALTER TABLE visits SET SCHEMA billing;

-- replica-identity-partitioned: visits:AX
ALTER TABLE visits REPLICA IDENTITY FULL;

-- add-unique-partitioned: visits:AX visits_2024:S visits_2025:S visits_rest:S INDEX[visits_2024,visits_2025,visits_rest] [-17]
--   visits:AX visits_2024:AX visits_2025:AX visits_rest:AX INDEX[visits_2024,visits_2025,visits_rest] [18-]
ALTER TABLE visits ADD UNIQUE (kind, id, day);

-- set-not-null-partitioned: visits:AX visits_2024:AX visits_2025:AX visits_rest:AX SCAN[visits_2024,visits_2025,visits_rest]
ALTER TABLE visits ALTER COLUMN kind SET NOT NULL;

-- drop-not-null-partitioned: visits:AX visits_2024:AX visits_2025:AX visits_rest:AX [-17]
--   visits:AX [18-]
ALTER TABLE visits ALTER COLUMN kind DROP NOT NULL;

-- drop-index-on-partition: visits_2024:AX
CREATE INDEX k ON visits_2024 (kind);
DROP INDEX k;

-- set-compression-partitioned: ERR[42601] [-13]
--   visits:AX [14-]
ALTER TABLE visits ALTER COLUMN kind SET COMPRESSION pglz;

-- create-view-or-replace-new:
CREATE OR REPLACE VIEW v9 AS SELECT 1;

-- grant-schema:
GRANT USAGE ON SCHEMA billing TO PUBLIC;

-- grant-all-tables:
GRANT SELECT ON ALL TABLES IN SCHEMA billing TO PUBLIC;

-- alter-default-privileges:
ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC;

-- enum-drop-cascade: staff:AX
DROP TYPE staff_role CASCADE;

-- alter-constraint-not-enforced: ERR[42601] [-17]
--   invoices:AX patients:AX [18-]
ALTER TABLE invoices ALTER CONSTRAINT invoices_patient_fk NOT ENFORCED;

-- alter-constraint-enforced: invoices:AX patients:SRX SCAN[invoices,patients] FKSCAN [18-]
ALTER TABLE invoices ADD CONSTRAINT k FOREIGN KEY (patient_id) REFERENCES patients NOT ENFORCED;
ALTER TABLE invoices ALTER CONSTRAINT k ENFORCED;

-- alter-constraint-inherit: patients:AX [18-]
ALTER TABLE patients ADD CONSTRAINT nn NOT NULL age;
ALTER TABLE patients ALTER CONSTRAINT nn NO INHERIT;

-- set-logged-identity: x:AX REWRITE[x] [-14]
--   x:AX x_id_seq:AX REWRITE[x,x_id_seq] [15-]
CREATE TABLE x (id bigint GENERATED ALWAYS AS IDENTITY);
ALTER TABLE x SET UNLOGGED;

-- truncate-restart-owned: x:AX x_id_seq:AX REWRITE[x,x_id_seq]
CREATE TABLE x (id bigint GENERATED ALWAYS AS IDENTITY);
TRUNCATE x RESTART IDENTITY;

-- alter-column-options-reset: patients:SUX
ALTER TABLE patients ALTER COLUMN age RESET (n_distinct);

-- set-user-catalog-table: patients:AX
ALTER TABLE patients SET (user_catalog_table = true);

-- set-parallel: patients:SUX
ALTER TABLE patients SET (parallel_workers = 2);

-- set-toast: patients:SUX
ALTER TABLE patients SET (toast.autovacuum_enabled = false);

-- set-log-autovacuum: patients:SUX
ALTER TABLE patients SET (log_autovacuum_min_duration = 0);

-- set-toast-target: patients:SUX
ALTER TABLE patients SET (toast_tuple_target = 200);

-- of-type: address:AS x:AX
CREATE TABLE x (street text, city text);
ALTER TABLE x OF address;

-- not-of: addresses:AX
ALTER TABLE addresses NOT OF;

-- enable-rule: archive:AX
CREATE RULE r AS ON DELETE TO archive DO INSTEAD NOTHING;
ALTER TABLE archive DISABLE RULE r;

-- create-function:
CREATE FUNCTION f() RETURNS integer LANGUAGE sql AS 'SELECT 1';

-- alter-index-statistics:
CREATE INDEX e ON patients (lower(email));
ALTER INDEX e ALTER COLUMN 1 SET STATISTICS 10;

-- type-generated-dep: ERR[42601] [12-14]
--   ERR[0A000] [15-]
ALTER TABLE archive ADD COLUMN g integer GENERATED ALWAYS AS (id + 1) STORED;
ALTER TABLE archive ALTER COLUMN id TYPE bigint;

-- type-only-using-const: archive:AX
ALTER TABLE archive ALTER COLUMN payload TYPE text USING payload;

-- type-using-cast-same: patients:AX
ALTER TABLE patients ALTER COLUMN email TYPE varchar(100) USING email::varchar(100);

-- type-using-fn: archive:AX REWRITE[archive]
ALTER TABLE archive ALTER COLUMN payload TYPE text USING upper(payload);

-- type-partial-index: archive:AX INDEX[archive]
CREATE INDEX pi ON archive (id) WHERE payload <> '';
ALTER TABLE archive ALTER COLUMN payload TYPE varchar;

-- type-expr-index: archive:AX INDEX[archive]
CREATE INDEX pi ON archive (lower(payload));
ALTER TABLE archive ALTER COLUMN payload TYPE varchar;

-- type-unique-constraint: archive:AX
ALTER TABLE archive ADD UNIQUE (payload);
ALTER TABLE archive ALTER COLUMN payload TYPE varchar;

-- type-stats: patients:AX SCAN[patients]
DROP INDEX patients_mrn_key_idx;
ALTER TABLE patients ALTER COLUMN mrn TYPE varchar;

-- add-pk-inherited: devices:AX INDEX[devices] [-11]
--   devices:AX pumps:AX INDEX[devices] [12-]
ALTER TABLE devices ADD PRIMARY KEY (id);

-- add-unique-inherited: devices:AX INDEX[devices] [-17]
--   devices:AX pumps:AX INDEX[devices] [18-]
ALTER TABLE devices ADD UNIQUE (id);

-- add-pk-inherited-nullable: devices:AX pumps:AX SCAN[devices,pumps] INDEX[devices]
ALTER TABLE devices ADD PRIMARY KEY (name);

-- add-pk-partitioned-nullable: logs:AX logs_a:AX logs_b:AX SCAN[logs_a,logs_b] INDEX[logs_a,logs_b]
ALTER TABLE logs ADD PRIMARY KEY (id, kind);

-- add-fk-inherited: devices:SRX staff:SRX SCAN[devices,staff] FKSCAN [-17]
--   devices:SRX pumps:SRX staff:SRX SCAN[devices,staff] FKSCAN [18-]
ALTER TABLE devices ADD FOREIGN KEY (id) REFERENCES staff;

-- add-exclude-inherited: devices:AX SCAN[devices] INDEX[devices] [-17]
--   devices:AX pumps:AX SCAN[devices] INDEX[devices] [18-]
ALTER TABLE devices ADD EXCLUDE USING gist (id WITH =);

-- owner-of-composite: address:AX
ALTER TYPE address OWNER TO pg_monitor;

-- comment-on-matview: patient_counts:SUX
COMMENT ON MATERIALIZED VIEW patient_counts IS 'a';

-- comment-on-policy: patients:AS
CREATE POLICY p ON patients USING (true);
COMMENT ON POLICY p ON patients IS 'a';

-- comment-on-rule: archive:AS
CREATE RULE r AS ON DELETE TO archive DO INSTEAD NOTHING;
COMMENT ON RULE r ON archive IS 'a';

-- lock-view: active_patients:S patients:S
LOCK TABLE active_patients IN SHARE MODE;

-- lock-only: devices:S
LOCK TABLE ONLY devices IN SHARE MODE;

-- update-view: active_patients:RX patients:RX SCAN[patients]
UPDATE active_patients SET name = 'x';

-- delete-view: active_patients:RX patients:RX SCAN[patients]
DELETE FROM active_patients WHERE id = 999;

-- add-identity-partitioned: p:AX [-16]
--   p1:AX p:AX [17-]
CREATE TABLE p (id integer NOT NULL) PARTITION BY LIST (id);
CREATE TABLE p1 PARTITION OF p DEFAULT;
ALTER TABLE p ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY;

-- drop-identity-partitioned: p:AX p_id_seq:AX [-16]
--   p1:AX p:AX p_id_seq:AX [17-]
CREATE TABLE p (id integer GENERATED ALWAYS AS IDENTITY) PARTITION BY LIST (id);
CREATE TABLE p1 PARTITION OF p DEFAULT;
ALTER TABLE p ALTER COLUMN id DROP IDENTITY;

-- set-identity-partitioned: p:AX p_id_seq:SRX [-16]
--   p1:AX p:AX p_id_seq:SRX [17-]
CREATE TABLE p (id integer GENERATED ALWAYS AS IDENTITY) PARTITION BY LIST (id);
CREATE TABLE p1 PARTITION OF p DEFAULT;
ALTER TABLE p ALTER COLUMN id SET GENERATED BY DEFAULT;

-- set-n_distinct-inherited: devices:SUX
ALTER TABLE devices ALTER COLUMN name SET (n_distinct = 5);

-- set-statistics-inherited: devices:SUX pumps:SUX
ALTER TABLE devices ALTER COLUMN name SET STATISTICS 5;

-- alter-constraint-partitioned: visits:AX visits_2024:AX visits_2025:AX visits_rest:AX
ALTER TABLE visits ADD CONSTRAINT fk FOREIGN KEY (id) REFERENCES patients;
ALTER TABLE visits ALTER CONSTRAINT fk DEFERRABLE;

-- validate-fk-partitioned: patients:RS visits:SUX visits_2024:SUX visits_2025:SUX visits_rest:SUX SCAN[patients,visits_2024,visits_2025,visits_rest] FKSCAN [18-]
ALTER TABLE visits ADD CONSTRAINT fk FOREIGN KEY (id) REFERENCES patients NOT VALID;
ALTER TABLE visits VALIDATE CONSTRAINT fk;

-- attach-subpartitioned: logs:AX sub1:AX sub:AX SCAN[sub1] [-11]
--   logs:SUX sub1:AX sub:AX SCAN[sub1] [12-]
CREATE TABLE sub (id bigint NOT NULL, kind text, body text) PARTITION BY LIST (id);
CREATE TABLE sub1 PARTITION OF sub DEFAULT;
ALTER TABLE logs ATTACH PARTITION sub FOR VALUES IN ('d');

-- detach-subpartitioned: logs:AX sub1:AX sub:SUX [-13]
--   logs:AX sub1:AX sub:AX [14-]
CREATE TABLE sub PARTITION OF logs FOR VALUES IN ('d') PARTITION BY LIST (id);
CREATE TABLE sub1 PARTITION OF sub DEFAULT;
ALTER TABLE logs DETACH PARTITION sub;

-- create-subpartition: sub:AX
CREATE TABLE sub PARTITION OF logs FOR VALUES IN ('d') PARTITION BY LIST (id);
CREATE TABLE sub1 PARTITION OF sub FOR VALUES IN (1);

-- create-partition-partitioned: logs:AX
CREATE TABLE sub PARTITION OF logs FOR VALUES IN ('d') PARTITION BY LIST (id);

-- attach-to-subpartitioned: logs:AS sub1:AX sub:AX SCAN[sub1] [-11]
--   logs:AS sub1:AX sub:SUX SCAN[sub1] [12-]
CREATE TABLE sub PARTITION OF logs FOR VALUES IN ('d') PARTITION BY LIST (id);
CREATE TABLE sub1 (id bigint NOT NULL, kind text, body text);
ALTER TABLE sub ATTACH PARTITION sub1 FOR VALUES IN (1);

-- attach-beside-subpartitioned-default: logs:AX logs_c:AX rest1:AX rest:AX SCAN[logs_c,rest1] [-11]
--   logs:SUX logs_c:AX rest1:AX rest:AX SCAN[logs_c,rest1] [12-]
CREATE TABLE rest PARTITION OF logs DEFAULT PARTITION BY LIST (id);
CREATE TABLE rest1 PARTITION OF rest DEFAULT;
ALTER TABLE logs ATTACH PARTITION logs_c FOR VALUES IN ('c');

-- drop-subpartition: sub1:AX sub:AX
CREATE TABLE sub PARTITION OF logs FOR VALUES IN ('d') PARTITION BY LIST (id);
CREATE TABLE sub1 PARTITION OF sub DEFAULT;
DROP TABLE sub1;

-- drop-subpartitioned: logs:AX sub1:AX sub:AX
CREATE TABLE sub PARTITION OF logs FOR VALUES IN ('d') PARTITION BY LIST (id);
CREATE TABLE sub1 PARTITION OF sub DEFAULT;
DROP TABLE sub;

-- alter-several: visits:AX visits_2024:AX visits_2025:AX visits_rest:AX SCAN[visits_2024,visits_2025,visits_rest]
ALTER TABLE visits ADD CONSTRAINT ck CHECK (id > 0) NOT VALID;
ALTER TABLE visits DISABLE ROW LEVEL SECURITY, VALIDATE CONSTRAINT ck;

-- rename-rule: archive:AX
CREATE RULE r AS ON DELETE TO archive DO INSTEAD NOTHING;
ALTER RULE r ON archive RENAME TO s;

-- set-not-null-only: devices:AX SCAN[devices]
ALTER TABLE ONLY devices ALTER COLUMN name SET NOT NULL;

-- truncate-only: devices:AX REWRITE[devices]
TRUNCATE ONLY devices;

-- drop-check-inherited: devices:AX pumps:AX
ALTER TABLE devices ADD CONSTRAINT ck CHECK (id > 0);
ALTER TABLE devices DROP CONSTRAINT ck;

-- add-check-inherited: devices:AX pumps:AX SCAN[devices,pumps]
ALTER TABLE devices ADD CONSTRAINT ck CHECK (id > 0);

-- create-unique-nulls-not-distinct: ERR[42601] [-14]
--   patients:S INDEX[patients] [15-]
CREATE UNIQUE INDEX ON patients (legacy_id) NULLS NOT DISTINCT;

-- add-column-partition-child: logs_a:AX SCAN[logs_a]
ALTER TABLE logs_a ADD CHECK (id > 0);

-- create-trigger-on-view: active_patients:SRX
CREATE TRIGGER t INSTEAD OF INSERT ON active_patients FOR EACH ROW EXECUTE FUNCTION touch();

-- create-schema-with-table: staff:SRX
CREATE SCHEMA fresh CREATE TABLE notes (id integer, staff_id integer REFERENCES public.staff);

-- create-table-fk-self:
CREATE TABLE fresh (id integer PRIMARY KEY, up integer REFERENCES fresh);

-- explain-analyze: archive:RX SCAN[archive]
EXPLAIN ANALYZE DELETE FROM archive;

-- explain: archive:RX
EXPLAIN DELETE FROM archive;

-- declare-cursor: archive:AS
DECLARE c CURSOR FOR SELECT * FROM archive;

-- values:
VALUES (1);

-- create-matview: archive:AS SCAN[archive]
CREATE MATERIALIZED VIEW fresh AS SELECT id FROM archive;

-- select-cte-writes: archive:RX SCAN[archive]
WITH gone AS (DELETE FROM archive RETURNING *) SELECT * FROM gone;

-- insert-cte-writes: archive:RX scratch:RX SCAN[archive]
WITH gone AS (DELETE FROM archive RETURNING *) INSERT INTO scratch SELECT id + 100, payload FROM gone;

-- detach-child-fk-to-partitioned: c:AX visits_2024:AX visits_2025:AX visits_rest:AX [12-14]
--   c:AX visits:AX visits_2024:AX visits_2025:AX visits_rest:AX [15-]
CREATE TABLE c (id bigint, day date, FOREIGN KEY (id, day) REFERENCES visits);
DROP TABLE c;

-- drop-partition-referenced: c:AX visits:AX visits_2024:AX visits_rest:AX SCAN[c] [12-]
CREATE TABLE c (id bigint, day date, FOREIGN KEY (id, day) REFERENCES visits);
ALTER TABLE visits DETACH PARTITION visits_2024;

-- attach-partition-referenced: c:AS visits:SUX visits_2026:AX visits_rest:AX SCAN[visits_rest] PROVEN [12-14]
--   c:SRX visits:SUX visits_2026:AX visits_rest:AX SCAN[visits_rest] PROVEN [15-]
CREATE TABLE c (id bigint, day date, FOREIGN KEY (id, day) REFERENCES visits);
ALTER TABLE visits ATTACH PARTITION visits_2026 FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');

-- create-partition-referenced: c:AS visits:AX visits_rest:AX SCAN[visits_rest] [12-14]
--   c:SRX visits:AX visits_rest:AX SCAN[visits_rest] [15-]
CREATE TABLE c (id bigint, day date, FOREIGN KEY (id, day) REFERENCES visits);
CREATE TABLE visits_2030 PARTITION OF visits FOR VALUES FROM ('2030-01-01') TO ('2031-01-01');

-- type-inherited: devices:AX pumps:AX REWRITE[devices,pumps]
ALTER TABLE devices ALTER COLUMN id TYPE bigint;

-- type-not-valid-check: invoices:AX
ALTER TABLE invoices ALTER COLUMN amount TYPE numeric(12, 2);

-- add-unique-using-index-nullable: imports:AX
ALTER TABLE imports ADD UNIQUE USING INDEX imports_source_idx;

-- add-generated-not-null: ERR[42601] [-11]
--   patients:AX REWRITE[patients] [12-]
ALTER TABLE patients ADD COLUMN x integer GENERATED ALWAYS AS (age + 1) STORED NOT NULL;

-- add-virtual-check: ERR[42601] [-17]
--   archive:AX SCAN[archive] [18-]
ALTER TABLE archive ADD COLUMN x integer GENERATED ALWAYS AS (id + 1) VIRTUAL CHECK (x > 0);

-- add-virtual-not-null: ERR[42601] [-17]
--   archive:AX SCAN[archive] [18-]
ALTER TABLE archive ADD COLUMN x integer GENERATED ALWAYS AS (id + 1) VIRTUAL NOT NULL;

-- add-col-default-null-not-null-domain: archive:AX
ALTER TABLE archive ADD COLUMN x plain_text NOT NULL DEFAULT 'a';

-- add-col-domain-array: archive:AX
ALTER TABLE archive ADD COLUMN x positive_int[];

-- add-col-domain-over-domain: archive:AX REWRITE[archive]
CREATE DOMAIN tiny AS positive_int;
ALTER TABLE archive ADD COLUMN x tiny;

-- add-col-composite-of-domain: archive:AX
CREATE TYPE pair AS (a positive_int);
ALTER TABLE archive ADD COLUMN x pair;

-- add-col-domain-default-volatile: archive:AX [-12]
--   archive:AX REWRITE[archive] [13-]
CREATE DOMAIN stamp AS timestamptz DEFAULT clock_timestamp();
ALTER TABLE archive ADD COLUMN x stamp;

-- add-col-default-session-user: archive:AX
ALTER TABLE archive ADD COLUMN x text DEFAULT session_user;

-- add-col-not-null-default-null: ERR[23502]
ALTER TABLE archive ADD COLUMN x integer NOT NULL DEFAULT NULL;

-- add-check-not-enforced: ERR[42601] [-17]
--   patients:AX [18-]
ALTER TABLE patients ADD CONSTRAINT ck CHECK (age < 30) NOT ENFORCED;

-- add-fk-not-enforced: ERR[42601] [-17]
--   clinical_notes:SRX staff:SRX [18-]
ALTER TABLE clinical_notes ADD FOREIGN KEY (author_id) REFERENCES staff NOT ENFORCED;

-- add-col-check-not-enforced: ERR[42601] [-17]
--   patients:AX [18-]
ALTER TABLE patients ADD COLUMN x integer CHECK (x > 0) NOT ENFORCED;

-- add-not-null-inherited: ERR[42601] [-17]
--   devices:AX pumps:AX SCAN[devices,pumps] [18-]
ALTER TABLE devices ADD CONSTRAINT nn NOT NULL name;

-- add-column-foreign-if-exists:
ALTER TABLE IF EXISTS nothing_here ADD COLUMN x integer;

-- drop-if-exists:
DROP TABLE IF EXISTS nothing_here;

-- reset-view: active_patients:AX
ALTER VIEW active_patients RESET (security_barrier);

-- alter-sequence-logged: ERR[42809] [-14]
--   ticket_seq:AX REWRITE[ticket_seq] [15-]
ALTER SEQUENCE ticket_seq SET UNLOGGED;

-- alter-sequence-schema: ticket_seq:AX
ALTER SEQUENCE ticket_seq SET SCHEMA billing;

-- create-sequence-owned: archive:AS
CREATE SEQUENCE s2 OWNED BY archive.id;

-- drop-owned-sequence: ERR[2BP01]
DROP SEQUENCE patients_id_seq;

-- drop-column-of-serial: x:AX x_id_seq:AX
CREATE TABLE x (id serial, a integer);
ALTER TABLE x DROP COLUMN id;

-- setval: ticket_seq:RX
SELECT setval('ticket_seq', 10);

-- add-check-no-inherit: devices:AX SCAN[devices] [-17]
--   devices:AX pumps:AX SCAN[devices] [18-]
ALTER TABLE devices ADD CONSTRAINT ck CHECK (id > 0) NO INHERIT;

-- add-fk-partitioned-adopting: logs:SRX logs_a:SRX logs_b:SRX patients:AX SCAN[logs_b,patients] FKSCAN
ALTER TABLE logs_a ADD FOREIGN KEY (id) REFERENCES patients;
ALTER TABLE logs ADD FOREIGN KEY (id) REFERENCES patients;

-- attach-partition-with-own-fk: patients:AX visits:AX visits_2026:AX visits_rest:AX SCAN[visits_rest] PROVEN [-11]
--   patients:AX visits:SUX visits_2026:AX visits_rest:AX SCAN[visits_rest] PROVEN [12-]
ALTER TABLE visits ADD FOREIGN KEY (id) REFERENCES patients;
ALTER TABLE visits_2026 ADD FOREIGN KEY (id) REFERENCES patients;
ALTER TABLE visits ATTACH PARTITION visits_2026 FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');

-- drop-index-cascade-fk: archive:AX imports:AX
ALTER TABLE archive ADD FOREIGN KEY (id) REFERENCES imports (line);
DROP INDEX imports_line_idx CASCADE;

-- drop-unique-constraint-cascade: imports:AX
ALTER TABLE imports ADD CONSTRAINT u UNIQUE (batch);
ALTER TABLE archive ADD FOREIGN KEY (id) REFERENCES imports (batch);
ALTER TABLE imports DROP CONSTRAINT u CASCADE;

-- detach-partition-with-own-fk: visits:AX visits_2024:SUX visits_rest:AX [-13]
--   visits:AX visits_2024:AX visits_rest:AX [14-]
ALTER TABLE visits_2024 ADD CONSTRAINT own FOREIGN KEY (id) REFERENCES patients;
ALTER TABLE visits DETACH PARTITION visits_2024;

-- drop-partition-with-own-fk: patients:AX visits:AX visits_2024:AX visits_rest:AX
ALTER TABLE visits_2024 ADD CONSTRAINT own FOREIGN KEY (id) REFERENCES patients;
DROP TABLE visits_2024;

-- add-unique-adopting-index: visits:AX visits_2024:S visits_2025:S visits_rest:S INDEX[visits_2024,visits_2025,visits_rest] [-17]
--   visits:AX visits_2024:AX visits_2025:AX visits_rest:AX INDEX[visits_2024,visits_2025,visits_rest] [18-]
CREATE UNIQUE INDEX k24 ON visits_2024 (kind, day, id);
ALTER TABLE visits ADD UNIQUE (kind, day, id);

-- create-index-adopting: visits:S visits_2024:S visits_2025:S visits_rest:S INDEX[visits_2025,visits_rest]
CREATE INDEX k24 ON visits_2024 (kind);
CREATE INDEX ON visits (kind);
