DROP TABLE lakes;
