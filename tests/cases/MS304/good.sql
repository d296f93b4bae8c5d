-- Whoever runs the server drops databases, after a snapshot. A migration may still describe its own.
COMMENT ON SCHEMA public IS 'the clinic';
DROP TABLE archive;
