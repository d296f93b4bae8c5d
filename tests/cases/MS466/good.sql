-- The columns are named.
CREATE VIEW per_role AS SELECT role, count(*) AS n FROM staff GROUP BY role;
INSERT INTO archive (id) SELECT count(*) FROM (SELECT kind FROM logs GROUP BY kind) AS kinds;
SELECT lower(kind), count(*) FROM logs GROUP BY lower(kind);
