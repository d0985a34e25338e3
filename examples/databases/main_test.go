package main

import (
	"strings"
	"testing"

	"github.com/lakebase-go/lakebase/lakebasetest"
)

func TestRun(t *testing.T) {
	server := lakebasetest.New(t)
	for _, database := range []string{"sales", "stock"} {
		if err := server.CreateDatabase(t.Context(), "my-project", database); err != nil {
			t.Fatal(err)
		}
	}
	lakebasetest.Setenv(t, server, "projects/my-project")
	var out strings.Builder
	if err := run(t.Context(), &out, []string{"sales", "stock"}); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), "sales\nstock\n1 token\n"; got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
}
