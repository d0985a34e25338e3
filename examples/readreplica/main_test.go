package main

import (
	"strings"
	"testing"

	"github.com/lakebase-go/lakebase/lakebasetest"
)

func TestRun(t *testing.T) {
	server := lakebasetest.New(t)
	if _, err := server.AddReadOnlyEndpoint(t.Context(), "my-project", "reader"); err != nil {
		t.Fatal(err)
	}
	lakebasetest.Setenv(t, server, "projects/my-project")
	t.Setenv("LAKEBASE_ENDPOINT", "projects/my-project") // without the endpoint
	var out strings.Builder
	if err := run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), "read Baikal, from a replica: true\nwrite refused: 25006\n"; got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
}
