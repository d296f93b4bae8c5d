-- Everything in it goes.
DROP SCHEMA billing CASCADE; -- MS303
DROP SCHEMA IF EXISTS "Old Reports" CASCADE; -- MS303
DROP SCHEMA IF EXISTS "Old Reports"; -- MS303

-- Fails: it is not empty.
DROP SCHEMA public; -- MS303
