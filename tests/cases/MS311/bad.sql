-- Code that reads these never met NULL there.
ALTER TABLE patients ALTER COLUMN name DROP NOT NULL; -- MS311
ALTER TABLE appointments -- MS311
    ALTER COLUMN patient_id DROP NOT NULL,
    ALTER COLUMN room_size SET DEFAULT 'small';
ALTER TABLE logs ALTER COLUMN id DROP NOT NULL; -- MS311
