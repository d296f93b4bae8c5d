-- A trigger does the same, row by row; its function decides.
CREATE TRIGGER archive_read_only BEFORE INSERT ON archive
    FOR EACH ROW EXECUTE FUNCTION touch();

-- A new table.
CREATE TABLE "Wards" (id integer);
CREATE RULE wards_read_only AS ON DELETE TO "Wards" DO INSTEAD NOTHING;
