CREATE TABLE "lakes" (
	"name" text PRIMARY KEY NOT NULL,
	"depth_m" integer NOT NULL
);
