CREATE TABLE IF NOT EXISTS lakes (
	name text PRIMARY KEY,
	depth_m integer NOT NULL
);
