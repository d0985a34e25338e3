package main

import (
	"strings"
	"testing"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/lakebasetest"
)

func TestRun(t *testing.T) {
	lakebasetest.Setenv(t, lakebasetest.New(t), "projects/my-project")
	more := strings.Replace(string(declared), "column \"depth_m\"", "column \"country\" {\n    type = text\n    default = \"\"\n  }\n  column \"depth_m\"", 1)
	for _, test := range []struct{ schema, want string }{
		{string(declared), "CREATE SCHEMA \"lakes\"\n" + `CREATE TABLE "lakes"."lakes" ("name" text NOT NULL, "depth_m" integer NOT NULL, PRIMARY KEY ("name"))` + "\n"},
		{string(declared), ""},
		{more, `ALTER TABLE "lakes"."lakes" ADD COLUMN "country" text NOT NULL DEFAULT ''` + "\n"},
	} {
		var out strings.Builder
		if err := run(t.Context(), &out, []byte(test.schema)); err != nil {
			t.Fatal(err)
		}
		if got := out.String(); got != test.want {
			t.Errorf("printed %q, want %q", got, test.want)
		}
	}
	db, err := lakebase.OpenDB(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), "INSERT INTO lakes.lakes (name, depth_m, country) VALUES ('Baikal', 1642, 'Russia')"); err != nil {
		t.Error(err)
	}
}
