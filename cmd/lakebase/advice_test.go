package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
)

// prose are words that follow the project's name in sentences.
var prose = []string{"connects", "sslmode", "dbname"}

var (
	namedCommand = regexp.MustCompile(`\blakebase ([a-z][a-z-]*)(?: ([a-z][a-z-]*))?`)
	namedFlag    = regexp.MustCompile(`--[a-z][a-z-]*`)
)

// Every command and flag that a message names exists.
func TestAdviceNamesCommandsThatExist(t *testing.T) {
	root := cli.New(&terminal.Streams{})
	found := 0
	for _, dir := range []string{"../..", "../../internal/doctor", "../../internal/roles", "../../internal/workspace", "../../proxy"} {
		for file, text := range literals(t, dir) {
			for _, literal := range text {
				for _, at := range namedCommand.FindAllStringSubmatchIndex(literal, -1) {
					found++
					checkNamed(t, root, file, literal[at[0]:])
				}
			}
		}
	}
	if found < 20 {
		t.Errorf("only %d commands are named: the test does not see them", found)
	}
}

var (
	fenced = regexp.MustCompile("(?ms)^```[^\n]*\n(.*?)^```$")
	inCode = regexp.MustCompile("`([^`\n]+)`")
)

// Every command and flag that README and docs name exists, in blocks and in the text.
func TestPagesNameCommandsThatExist(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(pages) < 15 {
		t.Fatalf("%q, %v", pages, err)
	}
	root, found := cli.New(&terminal.Streams{}), 0
	for _, page := range append(pages, "../../README.md") {
		var code []string
		text := readFile(t, page)
		for _, block := range fenced.FindAllStringSubmatch(text, -1) {
			for line := range strings.Lines(block[1]) {
				if typed, ok := strings.CutPrefix(line, "$ "); ok {
					code = append(code, typed)
				}
			}
		}
		for _, span := range inCode.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
			code = append(code, span[1])
		}
		for _, line := range code {
			line, _, _ = strings.Cut(line, " -- ")
			for _, at := range namedCommand.FindAllStringSubmatchIndex(line, -1) {
				found++
				checkNamed(t, root, page, line[at[0]:])
			}
		}
	}
	if found < 100 {
		t.Errorf("only %d commands are named: the test does not see them", found)
	}
}

func checkNamed(t *testing.T, root *cobra.Command, file, text string) {
	t.Helper()
	words := namedCommand.FindStringSubmatch(text)
	if slices.Contains(prose, words[1]) {
		return
	}
	cmd := subcommand(root, words[1])
	if cmd == nil {
		t.Errorf("%s names %q, which is no command: %s", file, words[1], text)
		return
	}
	if cmd.Name() == "roles" && words[2] != "" {
		if cmd = subcommand(cmd, words[2]); cmd == nil {
			t.Errorf("%s names %q, which is no command of roles: %s", file, words[2], text)
			return
		}
	} else if sub := subcommand(cmd, words[2]); sub != nil {
		cmd = sub
	}
	line, _, _ := strings.Cut(text, "\n")
	for _, sentence := range []string{";", ",", "\""} { // what follows is about something else
		line, _, _ = strings.Cut(line, sentence)
	}
	for _, flag := range namedFlag.FindAllString(line, -1) {
		if name := strings.TrimPrefix(flag, "--"); cmd.Flags().Lookup(name) == nil && name != "help" {
			t.Errorf("%s gives %s the flag %s, which it does not have: %s", file, cmd.CommandPath(), flag, line)
		}
	}
}

func subcommand(cmd *cobra.Command, name string) *cobra.Command {
	for _, c := range cmd.Commands() {
		if c.Name() == name {
			return c
		}
	}
	return nil
}

// literals are the strings in the Go files of dir that are no tests.
func literals(t *testing.T, dir string) map[string][]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no files in %s: %v", dir, err)
	}
	texts := map[string][]string{}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, source, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if l, ok := n.(*ast.BasicLit); ok && l.Kind == token.STRING {
				if text, err := strconv.Unquote(l.Value); err == nil {
					texts[name] = append(texts[name], text)
				}
			}
			return true
		})
	}
	return texts
}
