ALTER TABLE clinical_notes -- MS214
    ADD CONSTRAINT notes_author_fk FOREIGN KEY (author_id) REFERENCES staff;
-- The column is new, and yet every row is read.
ALTER TABLE "doses" ADD COLUMN "By" integer;
ALTER TABLE doses ADD FOREIGN KEY ("By") REFERENCES public.staff (id) ON DELETE SET NULL; -- MS214
ALTER TABLE readings ADD FOREIGN KEY (parent_id) REFERENCES readings; -- MS214
ALTER TABLE visits ADD FOREIGN KEY (id) REFERENCES patients; -- MS214
