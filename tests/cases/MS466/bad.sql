CREATE VIEW per_role AS SELECT role, count(*) AS n FROM staff GROUP BY 1; -- MS466
INSERT INTO archive (id) SELECT count(*) FROM (SELECT kind FROM logs GROUP BY 1) AS kinds; -- MS466
