CREATE INDEX patients_mail_again_idx ON patients (email); -- MS407
CREATE INDEX ON patients (mrn) INCLUDE (mrn); -- MS407
CREATE INDEX readings_label_taken_idx ON readings (label, taken); -- MS407
CREATE UNIQUE INDEX ON billing.rates (id); -- MS407
CREATE TABLE "Lab Orders" (id bigint PRIMARY KEY, code text UNIQUE);
CREATE INDEX "Orders By Code" ON "Lab Orders" (code); -- MS407
