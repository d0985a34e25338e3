-- +goose Up
ALTER TABLE lakes ADD COLUMN country text NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE lakes DROP COLUMN country;
