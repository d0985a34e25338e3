package examples

import (
	"context"
	"fmt"

	"github.com/lakebase-go/lakebase"
)

// database/sql, and with it every library that takes a *sql.DB.
func Example_databaseSQL() {
	ctx := context.Background()
	cfg, err := lakebase.ParseConfig("")
	if err != nil {
		fmt.Println(err)
		return
	}
	connector, err := lakebase.New(cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer connector.Close()

	db := connector.OpenDB()
	defer db.Close()
	if _, err := db.ExecContext(ctx, "CREATE TABLE lakes (name text, depth_m int)"); err != nil {
		fmt.Println(err)
		return
	}
	if _, err := db.ExecContext(ctx, "INSERT INTO lakes VALUES ($1, $2), ($3, $4)", "Baikal", 1642, "Tanganyika", 1470); err != nil {
		fmt.Println(err)
		return
	}
	var deepest string
	if err := db.QueryRowContext(ctx, "SELECT name FROM lakes ORDER BY depth_m DESC LIMIT 1").Scan(&deepest); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("deepest:", deepest)
	// Output: deepest: Baikal
}
