-- Only rows that are written from here on are kept in the new way.
ALTER TABLE patients ALTER COLUMN notes SET STORAGE EXTERNAL; -- MS111
ALTER TABLE clinical_notes -- MS111
    ALTER COLUMN body SET COMPRESSION pglz,
    ALTER COLUMN state SET STORAGE MAIN;
ALTER TABLE visits ALTER COLUMN kind SET COMPRESSION default; -- MS111
