module github.com/lakebase-go/lakebase/bench

go 1.25.0

require (
	github.com/jackc/pgx/v5 v5.12.0
	github.com/lakebase-go/lakebase v0.0.0
)

replace github.com/lakebase-go/lakebase => ../
