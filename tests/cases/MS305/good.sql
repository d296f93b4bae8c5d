-- Moves the table away; whoever runs the server drops the tablespace when nothing is in it.
ALTER TABLE archive SET TABLESPACE pg_default;
