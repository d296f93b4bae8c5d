DELETE FROM archive; -- MS309
DELETE FROM ONLY billing.rates WHERE true; -- MS309
DELETE FROM visits; -- MS309

-- A cross join: every row again.
DELETE FROM imports USING staff; -- MS309

-- Inside of a WITH.
WITH moved AS (DELETE FROM scratch_child RETURNING id) -- MS309
INSERT INTO archive SELECT id, 'moved' FROM moved;
