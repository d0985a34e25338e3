-- Without psql's own settings, and with the exit code of a script: it ends at an error.
\set ON_ERROR_STOP on
BEGIN;
SET LOCAL client_min_messages = warning;
CREATE TABLE IF NOT EXISTS lakes (name text PRIMARY KEY, depth_m int NOT NULL);
INSERT INTO lakes VALUES ('Baikal', 1642), ('Tanganyika', 1470), ('Geneva', 310) ON CONFLICT DO NOTHING;
COMMIT;
\pset format unaligned
\pset tuples_only on
\pset fieldsep ' '
SELECT name, depth_m FROM lakes WHERE depth_m > 1000 ORDER BY name;
