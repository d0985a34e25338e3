CREATE TABLE lakes (name text PRIMARY KEY, depth_m int NOT NULL);
