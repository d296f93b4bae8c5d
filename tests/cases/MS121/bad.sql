CREATE RULE archive_read_only AS ON INSERT TO archive DO INSTEAD NOTHING; -- MS121
CREATE OR REPLACE RULE "Log It" AS ON UPDATE TO billing.rates -- MS121
    DO ALSO INSERT INTO archive VALUES (old.id, 'changed');
CREATE RULE active_insert AS ON INSERT TO active_patients DO INSTEAD NOTHING; -- MS121
