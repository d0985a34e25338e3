package main

import (
	"strings"
	"testing"

	"github.com/lakebase-go/lakebase/lakebasetest"
)

func TestRun(t *testing.T) {
	lakebasetest.Setenv(t, lakebasetest.New(t), "projects/my-project")
	var out strings.Builder
	if err := run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	line := "reports as dev@example.com, at most 2 connections, statements of at most 5s\n"
	if got, want := out.String(), line+line; got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
}
