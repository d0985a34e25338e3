// Command gorm migrates a model, writes it in a transaction and reads it with GORM.
// The dialect takes the *sql.DB as its Conn, so that GORM opens no connection of its own.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/lakebase-go/lakebase"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err, lakebase.Hint(err))
		os.Exit(1)
	}
}

// Lake is a row of lakes.
type Lake struct {
	Name  string `gorm:"primaryKey"`
	Depth int    `gorm:"column:depth_m"`
	Fish  []Fish `gorm:"foreignKey:LakeName"`
}

// Fish live in a lake.
type Fish struct {
	ID       uint
	LakeName string
	Species  string
}

func run(ctx context.Context, out io.Writer) error {
	plain, err := lakebase.OpenDB(ctx, "") // LAKEBASE_ENDPOINT and the rest of the environment
	if err != nil {
		return err
	}
	defer plain.Close()
	db, err := gorm.Open(postgres.New(postgres.Config{Conn: plain}), &gorm.Config{})
	if err != nil {
		return err
	}
	db = db.WithContext(ctx)

	if err := db.AutoMigrate(&Lake{}, &Fish{}); err != nil {
		return err
	}
	err = db.Transaction(func(tx *gorm.DB) error {
		if err := tx.Where("true").Delete(&Fish{}).Error; err != nil {
			return err
		}
		return tx.Clauses(clause.OnConflict{UpdateAll: true}).
			Create(&Lake{Name: "Baikal", Depth: 1642, Fish: []Fish{{Species: "omul"}, {Species: "golomyanka"}}}).Error
	})
	if err != nil {
		return err
	}
	var lake Lake
	if err := db.Preload("Fish").First(&lake, "depth_m > ?", 1000).Error; err != nil {
		return err
	}
	fmt.Fprintln(out, lake.Name, lake.Depth)
	for _, fish := range lake.Fish {
		fmt.Fprintln(out, fish.Species)
	}
	return nil
}
