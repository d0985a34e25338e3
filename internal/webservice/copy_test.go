package webservice_test

import (
	"os"
	"strings"
	"testing"
)

// The example cannot import an internal package, because it is copied elsewhere.
func TestExampleIsTheSame(t *testing.T) {
	body := func(file, clause string) string {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, body, found := strings.Cut(string(content), clause)
		if !found {
			t.Fatalf("%s does not have %q", file, clause)
		}
		return body
	}
	if body("webservice.go", "package webservice\n") != body("../../examples/webservice/handler.go", "package main\n") {
		t.Error("webservice.go and examples/webservice/handler.go differ after their package clauses")
	}
}
