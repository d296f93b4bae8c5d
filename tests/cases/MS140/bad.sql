ALTER SEQUENCE ticket_seq RESTART WITH 1; -- MS140
ALTER SEQUENCE IF EXISTS public.ticket_seq INCREMENT BY 2 CACHE 10; -- MS140
ALTER SEQUENCE ticket_seq AS integer; -- MS140

-- Through its column: the table is locked, too.
ALTER TABLE patients ALTER COLUMN id RESTART WITH 1000; -- MS140
CREATE TABLE "Rooms" ("Id" serial, name text);

-- migration: 2_later
ALTER SEQUENCE "Rooms_Id_seq" OWNED BY NONE; -- MS140
