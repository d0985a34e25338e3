package main

import (
	"strings"
	"testing"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/lakebasetest"
)

func TestRun(t *testing.T) {
	lakebasetest.Setenv(t, lakebasetest.New(t), "projects/my-project")
	for _, want := range []string{"2 migrations applied, version 2\n", "0 migrations applied, version 2\n"} { // the second start finds nothing to do
		var out strings.Builder
		if err := run(t.Context(), &out); err != nil {
			t.Fatal(err)
		}
		if got := out.String(); got != want {
			t.Errorf("printed %q, want %q", got, want)
		}
	}
	db, err := lakebase.OpenDB(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), "INSERT INTO lakes (name, depth_m, country) VALUES ('Baikal', 1642, 'Russia')"); err != nil {
		t.Error(err)
	}
}
