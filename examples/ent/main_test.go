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
	if got, want := out.String(), "Tanganyika 1470\nBaikal 1642\n"; got != want {
		t.Errorf("printed %q, want %q", got, want)
	}
}
