package main

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
)

// Every kind of error has the exit code that docs/cli.md lists: 4 where the same
// command may work later.
func TestEveryKindOfErrorHasItsExitCode(t *testing.T) {
	want := map[string]int{}
	for _, row := range regexp.MustCompile("(?m)^\\| ((?:`[a-zA-Z ]+`(?:, )?)+) \\| (\\d) \\|").FindAllStringSubmatch(readFile(t, "../../docs/cli.md"), -1) {
		for _, kind := range strings.Split(row[1], ", ") {
			want[strings.Trim(kind, "`")] = int(row[2][0] - '0')
		}
	}
	kinds := regexp.MustCompile(`(?m)^\tKind\w+ +Kind = "(.*)"$`).FindAllStringSubmatch(readFile(t, "../../errors.go"), -1)
	if len(kinds) < 13 || len(want) != len(kinds) {
		t.Errorf("%d kinds, of which docs/cli.md lists %d", len(kinds), len(want))
	}
	for _, k := range kinds {
		code, listed := want[k[1]]
		err := fmt.Errorf("wrapped: %w", &lakebase.Error{Kind: lakebase.Kind(k[1])})
		if got := command.ExitCode(err); got != code || !listed {
			t.Errorf("%s: exit code %d, docs/cli.md has %d", k[1], got, code)
		}
		if retry := command.ExitCode(err) == command.ExitRetry; retry != lakebase.Retryable(err) {
			t.Errorf("%s: exit code %d, and retryable is %v", k[1], code, !retry)
		}
	}
}

// A statement that came into the way of another session may work later.
func TestLockedStatementExitsForARetry(t *testing.T) {
	t.Parallel()
	c := newProgram(t)
	for sql, want := range map[string]int{
		"do $$begin raise exception using errcode = '40001'; end$$": command.ExitRetry,
		"do $$begin raise exception using errcode = '40P01'; end$$": command.ExitRetry,
		"do $$begin raise exception using errcode = '55P03'; end$$": command.ExitRetry,
		"do $$begin raise exception using errcode = '42501'; end$$": command.ExitSQL,
	} {
		if _, stderr, code := c.run("query", sql); code != want {
			t.Errorf("%s: exit code %d, want %d: %s", sql, code, want, stderr)
		}
	}
}
