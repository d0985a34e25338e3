package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/demo"
	doctorcmd "github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/doctor"
	localcmd "github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/local"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/login"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/proxy"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/roles"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/version"
	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/wait"
	"github.com/lakebase-go/lakebase/internal/doctor"
	"github.com/lakebase-go/lakebase/internal/inventory"
	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/local"
)

// promise is a line of the contract in docs/json.md.
type promise struct {
	kind   string // string, number, boolean, array or object
	always bool
}

// contractOf reads what docs/json.md promises of a command, by field.
func contractOf(t *testing.T, command string) map[string]promise {
	t.Helper()
	for section := range strings.SplitSeq(readFile(t, "../../docs/json.md"), "\n## ") {
		title, body, _ := strings.Cut(section, "\n")
		if !slices.Contains(strings.Split(title, ", "), command) {
			continue
		}
		fields := map[string]promise{}
		for line := range strings.Lines(body) {
			if cells := strings.Split(line, "|"); len(cells) >= 6 && strings.HasPrefix(cells[1], " `") {
				name := strings.Trim(cells[1], " `")
				if _, twice := fields[name]; twice {
					t.Errorf("%s: docs/json.md has %s twice", command, name)
				}
				fields[name] = promise{strings.TrimSpace(cells[2]), strings.TrimSpace(cells[3]) == "always"}
			}
		}
		return fields
	}
	t.Fatalf("docs/json.md has no section for %s", command)
	return nil
}

// wantContract checks what a command printed: it is one document on one line,
// each field is promised and of that type, and what is always there is.
func wantContract(t *testing.T, command, printed string) {
	t.Helper()
	document, rest, _ := strings.Cut(printed, "\n")
	if rest != "" {
		t.Errorf("%s prints more than a line", command)
	}
	var value any
	if err := json.Unmarshal([]byte(document), &value); err != nil {
		t.Errorf("%s: %v", command, err)
		return
	}
	contract := contractOf(t, command)
	if len(contract) == 0 {
		t.Fatalf("docs/json.md promises nothing of %s", command)
	}
	for _, wrong := range broken(contract, "", value) {
		t.Errorf("%s: %s", command, wrong)
	}
}

// broken is what of contract the value at path does not keep.
func broken(contract map[string]promise, path string, value any) (wrong []string) {
	if path != "" && path != "[]" {
		promised, known := contract[path]
		if !known && !strings.HasSuffix(path, "[]") {
			return []string{path + " is not promised"}
		}
		if known && promised.kind != kindOf(value) {
			return []string{fmt.Sprintf("%s is %s, not %s", path, kindOf(value), promised.kind)}
		}
	}
	switch value := value.(type) {
	case []any:
		for _, element := range value {
			wrong = append(wrong, broken(contract, path+"[]", element)...)
		}
	case map[string]any:
		prefix := path
		if path != "" {
			prefix += "."
		}
		// An object without promised fields is described in words.
		inWords := true
		for name, promised := range contract {
			field, below := strings.CutPrefix(name, prefix)
			if !below || strings.ContainsAny(field, ".[") {
				continue
			}
			inWords = false
			if _, there := value[field]; promised.always && !there {
				wrong = append(wrong, name+" is not there")
			}
		}
		if inWords {
			return wrong
		}
		for field, inner := range value {
			wrong = append(wrong, broken(contract, prefix+field, inner)...)
		}
	}
	return wrong
}

func kindOf(value any) string {
	switch value.(type) {
	case string:
		return "string"
	case float64:
		return "number"
	case bool:
		return "boolean"
	case []any:
		return "array"
	case map[string]any:
		return "object"
	}
	return "null"
}

// Every document has exactly the fields that the contract lists, and those that
// are not always there are those that are left out when they are empty.
func TestContractListsAllFields(t *testing.T) {
	for command, document := range map[string]any{
		"lakebase version":          version.Info{},
		"lakebase env":              []lakebase.Setting{},
		"lakebase proxy --check":    []lakebase.Setting{},
		"lakebase token":            login.TokenReport{},
		"lakebase url":              login.URLReport{},
		"lakebase wait":             wait.Report{},
		"lakebase targets":          []inventory.Entry{},
		"lakebase roles list":       roles.List{},
		"lakebase roles show":       roles.Shown{},
		"lakebase roles create":     roles.Created{},
		"lakebase roles grant":      roles.Changed{},
		"lakebase roles revoke":     roles.Changed{},
		"lakebase roles adopt":      roles.Adopted{},
		"lakebase doctor":           doctor.Report{},
		"lakebase doctor --report":  doctorcmd.Facts{},
		"lakebase local":            localcmd.Ready{},
		"lakebase local status":     local.Status{},
		"lakebase local principals": []local.Principal{},
		"lakebase proxy":            proxy.Readiness{},
		"lakebase demo":             demo.Report{},
	} {
		promised := maps.Clone(contractOf(t, command))
		for name, always := range fieldsOf(reflect.TypeOf(document), "") {
			p, known := promised[name]
			switch {
			case !known:
				t.Errorf("%s: docs/json.md lacks %s", command, name)
			case p.always && !always:
				t.Errorf("%s: %s is not always there", command, name)
			}
			delete(promised, name)
		}
		for name := range promised {
			t.Errorf("%s: docs/json.md has %s, which there is not", command, name)
		}
	}
}

// fieldsOf are the fields of a type by their names in JSON, with those of what
// is in them, and whether each is always there.
func fieldsOf(kind reflect.Type, path string) map[string]bool {
	all := map[string]bool{}
	switch {
	case kind.Kind() == reflect.Pointer:
		return fieldsOf(kind.Elem(), path)
	case kind.Kind() == reflect.Slice:
		return fieldsOf(kind.Elem(), path+"[]")
	case kind.Kind() != reflect.Struct || kind == reflect.TypeFor[time.Time]() || kind == reflect.TypeFor[local.Faults]():
		return all
	}
	if path != "" {
		path += "."
	}
	for _, field := range reflect.VisibleFields(kind) {
		tag, ok := field.Tag.Lookup("json")
		if !ok || tag == "-" {
			continue // not written, or an embedded struct, whose fields are visible too
		}
		name, options, _ := strings.Cut(tag, ",")
		all[path+name] = !strings.Contains(options, "omit")
		maps.Copy(all, fieldsOf(field.Type, path+name))
	}
	return all
}

// The output of the commands keeps the contract.
func TestOutputKeepsTheContract(t *testing.T) {
	t.Parallel()
	c := newProgram(t)
	wantContract(t, "lakebase local", string(shared(t).line))
	for _, line := range []string{
		"version", "env", "env postgres://ann:hunter2@localhost/db", "token", "url", "wait", "targets",
		"roles create data-team --kind group", "roles grant data-team --write", "roles grant data-team --dry-run", "roles list --system", "roles list",
		"roles show data-team", "roles revoke data-team", "doctor --schema public --role data-team", "doctor --report", "roles adopt data-team --schema public --dry-run", "doctor", "local status", "local principals", "proxy --check",
	} {
		args := strings.Fields(line)
		if args[0] == "local" {
			args = append(args, "--data-dir", shared(t).ready.DataDir)
		}
		stdout := c.must(append(args, "-o", "json")...)
		command := regexp.MustCompile(` (?:postgres:|data-team|--[^cr]).*`).ReplaceAllString("lakebase "+line, "")
		wantContract(t, command, stdout)
	}
	stdout, _, code := c.with("LAKEBASE_INSTANCE_NAME=missing").run("doctor", "-o", "json")
	if code == command.ExitOK {
		t.Error("the doctor finds nothing wrong")
	}
	wantContract(t, "lakebase doctor", stdout)
	proxy := c.command("proxy", "-o", "json", "--listen", "127.0.0.1:0", "--unix-socket-dir", filepath.Join(testkit.OpenDir(t), "s"), "--http-listen", "127.0.0.1:0")
	wantContract(t, "lakebase proxy", firstLine(t, proxy))
}

// firstLine starts a program, ends it after its first line and returns that.
func firstLine(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	watchdog := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
	defer watchdog.Stop()
	line, err := bufio.NewReader(out).ReadString('\n')
	_ = cmd.Process.Kill()
	_ = cmd.Wait() // it was killed
	if err != nil {
		t.Fatal(err)
	}
	return line
}

// Documents without fixed names are described in words.
func TestOutputWithoutFixedFields(t *testing.T) {
	t.Parallel()
	c := newProgram(t)
	in := []string{"--data-dir", shared(t).ready.DataDir, "-o", "json"}
	var variables map[string]string
	if err := json.Unmarshal([]byte(c.must(append([]string{"local", "env"}, in...)...)), &variables); err != nil || variables["DATABRICKS_HOST"] == "" {
		t.Error("lakebase local env:", err)
	}
	if got := c.must("query", "-o", "json", "select 1 as a, null as b; create temp table x (); select true as a, 'x' as a"); got != `[{"a":1,"b":null}]`+"\n"+`[{"a":true,"a_2":"x"}]`+"\n" {
		t.Errorf("lakebase query: %s", got)
	}
	contractOf(t, "lakebase local faults")
	contractOf(t, "lakebase local env")
	contractOf(t, "lakebase query")
	// A local Lakebase of its own: faults affect every client.
	p := startLocal(t, "--ephemeral", "--port", "0", "--instance", "one")
	in[1] = p.ready.DataDir
	if got := c.must(append([]string{"local", "faults"}, in...)...); got != "{}\n" {
		t.Errorf("lakebase local faults: %s", got)
	}
	if got := c.must(append([]string{"local", "faults", "set", "api.delay=1ms", "login.kind=starting"}, in...)...); got != `{"api":{"delay":"1ms"},"login":{"kind":"starting"}}`+"\n" {
		t.Errorf("lakebase local faults set: %s", got)
	}
}

// Every command with -o json has a section.
func TestContractCoversAllCommands(t *testing.T) {
	contract := readFile(t, "../../docs/json.md")
	for _, cmd := range cli.Commands(cli.New(&terminal.Streams{})) {
		if cmd.Flags().Lookup("output") == nil || strings.HasPrefix(cmd.CommandPath(), "lakebase local faults ") {
			continue // set and clear print what faults prints
		}
		if !regexp.MustCompile(`(?m)^## (?:.*)?` + cmd.CommandPath() + `(?:,.*)?$`).MatchString(contract) {
			t.Errorf("docs/json.md has no section for %s", cmd.CommandPath())
		}
	}
}
