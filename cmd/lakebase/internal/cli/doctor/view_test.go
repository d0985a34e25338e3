package doctor

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/lakebase-go/lakebase/internal/doctor"
	"github.com/lakebase-go/lakebase/internal/roles"
)

var someResults = []doctor.Result{
	{Name: "configuration", Status: doctor.OK, Milliseconds: 0.4, Summary: "instance my-instance, from environment LAKEBASE_INSTANCE_NAME"},
	{Name: "target", Status: doctor.Warning, Milliseconds: 1234.5, Summary: "the configured host is one.example.com, but the workspace names another.example.com",
		Meaning: "logins go to the configured host, which may belong to something else or be gone", Action: "let the workspace name the host", Command: "unset LAKEBASE_HOST"},
	{Name: "login", Status: doctor.Failed, Milliseconds: 31.2, Summary: `Postgres has no role "00000000-0000-0000-0000-000000000000"`,
		Meaning: "permission for the instance makes no role in Postgres: each identity that logs in needs one of its name, with its case",
		Action:  "have someone who may create roles run this", Command: "lakebase roles create 00000000-0000-0000-0000-000000000000 --kind service-principal",
		Details: []doctor.Detail{{Name: "sqlstate", Value: "28000"}, {Name: "error", Value: `one.example.com: role missing: FATAL: role "00000000-0000-0000-0000-000000000000" does not exist`}}},
	{Name: "role", Status: doctor.Skipped, Because: "login", Summary: "needs login, which failed"},
}

// written is a report of someResults on a terminal so wide.
func renderedText(width int, verbose bool) string {
	var out bytes.Buffer
	t := &reportText{out: &out, width: width, verbose: verbose}
	for _, r := range someResults {
		t.result(r)
	}
	t.summary(&doctor.Report{Status: doctor.Failed, Summary: "failed: login; warnings: target", Milliseconds: 1267})
	return out.String()
}

// Nothing but commands, which must stay whole, is wider than the terminal.
func TestReportFitsTerminal(t *testing.T) {
	for _, width := range []int{60, 80, 90, 200} {
		for line := range strings.Lines(renderedText(width, true)) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > width && !strings.Contains(line, "$ ") {
				t.Errorf("at %d: %d characters: %s", width, n, line)
			}
		}
	}
	if want := "lakebase roles create 00000000-0000-0000-0000-000000000000 --kind service-principal\n"; !strings.Contains(renderedText(60, false), "$ "+want) {
		t.Error("the command is folded")
	}
}

// The owners of a schema are a table where that fits, and else a paragraph each.
func TestSchemaFitsTerminal(t *testing.T) {
	s := &doctor.Schema{Name: "shop", Role: "app", Findings: []doctor.Finding{{Summary: "app may not read 1 synced table", Action: "have a member of databricks_superuser run this", Command: "lakebase query 'GRANT SELECT'"}}}
	for i := range 5 {
		s.Objects = append(s.Objects, roles.Object{Kind: "table", Name: fmt.Sprint("shop.t", i), Owner: "ann@example.com", Lacking: []string{"SELECT", roles.Owning}})
	}
	s.Objects = append(s.Objects, roles.Object{Kind: "table", Name: "shop.\"a\x1b[31m\nb\"", Owner: "databricks_writer_1", Lacking: []string{"INSERT", roles.Owning}},
		roles.Object{Kind: "type", Name: "shop.citext", Extension: "citext"}, roles.Object{Kind: "function", Name: "shop.citext(inet)", Extension: "citext"})
	text := func(width int) string {
		var out bytes.Buffer
		(&reportText{out: &out, width: width}).schema(s)
		return out.String()
	}
	want := `
        OWNER                 OBJECTS                           MAY NOT
        ann@example.com       5 tables: t0, t1, t2 and 2 more   select, alter
        databricks_writer_1   table "a\x1B[31m\x0Ab"            insert, alter (synced)
        the server            extension citext                  -

        app may not read 1 synced table
        do     have a member of databricks_superuser run this
               $ lakebase query 'GRANT SELECT'
`
	if got := text(0); got != want || text(120) != want {
		t.Error(got)
	}
	for _, width := range []int{30, 40, 60, 80} {
		for line := range strings.Lines(text(width)) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > width && len(strings.Fields(line)) > 2 && !strings.Contains(line, "$ ") {
				t.Errorf("at %d: %d characters: %s", width, n, line)
			}
		}
	}
	if got := text(60); !strings.Contains(got, "        ann@example.com owns 5 tables: t0, t1, t2 and 2\n          more; app may not: select, alter\n") {
		t.Error(got)
	}
}

func TestReportLayout(t *testing.T) {
	wide := `  ok    configuration    0.4 ms  instance my-instance, from environment LAKEBASE_INSTANCE_NAME
  warn  target            1.2 s  the configured host is one.example.com, but the workspace names another.example.com
        means  logins go to the configured host, which may belong to something else or be gone
        do     let the workspace name the host
               $ unset LAKEBASE_HOST
  FAIL  login           31.2 ms  Postgres has no role "00000000-0000-0000-0000-000000000000"
        means  permission for the instance makes no role in Postgres: each identity that logs in needs one of its name,
               with its case
        do     have someone who may create roles run this
               $ lakebase roles create 00000000-0000-0000-0000-000000000000 --kind service-principal
        error  one.example.com: role missing: FATAL: role "00000000-0000-0000-0000-000000000000" does not exist
  skip  role                     needs login, which failed

failed: login; warnings: target (1.3 s)
`
	if got := renderedText(200, false); got != wide {
		t.Errorf("at 200:\n%s", got)
	}
	narrow := `  ok    configuration    0.4 ms
        instance my-instance, from environment
        LAKEBASE_INSTANCE_NAME
`
	if got := renderedText(60, false); !strings.HasPrefix(got, narrow) {
		t.Errorf("at 60:\n%s", got)
	}
	if got := renderedText(0, true); !strings.Contains(got, "        sqlstate: 28000\n") {
		t.Errorf("in full:\n%s", got)
	}
}
