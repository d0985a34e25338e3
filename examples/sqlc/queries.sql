-- name: AddLake :exec
INSERT INTO lakes (name, depth_m) VALUES ($1, $2) ON CONFLICT DO NOTHING;

-- name: DeeperThan :many
SELECT name, depth_m FROM lakes WHERE depth_m > $1 ORDER BY depth_m DESC;
