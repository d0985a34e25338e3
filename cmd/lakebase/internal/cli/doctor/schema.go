package doctor

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/terminal"
	"github.com/lakebase-go/lakebase/internal/doctor"
	"github.com/lakebase-go/lakebase/internal/oneline"
	"github.com/lakebase-go/lakebase/internal/roles"
)

// schemaRow is objects of a kind that are alike in their owner and in what the role
// may not do with them.
type schemaRow struct {
	owner, kind, lacking string
	names                []string
}

func schemaRows(s *doctor.Schema) (rows []schemaRow) {
	for _, o := range s.Objects {
		row := schemaRow{owner: cmp.Or(o.Owner, "the server"), kind: o.Kind, lacking: lacking(o)}
		name := oneline.Name(o.Unqualified(s.Name))
		if o.Extension != "" { // which has many, and is one thing
			row.kind, row.lacking, name = "extension", "", o.Extension
		}
		if o.Partition {
			row.kind = "partition"
		}
		i := slices.IndexFunc(rows, func(r schemaRow) bool {
			return r.owner == row.owner && r.kind == row.kind && r.lacking == row.lacking
		})
		if i < 0 {
			i, rows = len(rows), append(rows, row)
		}
		if !slices.Contains(rows[i].names, name) {
			rows[i].names = append(rows[i].names, name)
		}
	}
	return rows
}

// lacking is what the role may not do with an object, in the words of SQL.
func lacking(o roles.Object) string {
	text := strings.ToLower(strings.Join(o.Lacking, ", "))
	text = strings.Replace(text, strings.ToLower(roles.Owning), "alter", 1)
	if o.Synced() {
		text += " (synced)"
	}
	return text
}

// objects names the objects of a row, the first three unless all is set.
func (r schemaRow) objects(all bool) string {
	names := roles.Few(r.names)
	if all {
		names = strings.Join(r.names, ", ")
	}
	if len(r.names) == 1 {
		return r.kind + " " + names
	}
	return fmt.Sprintf("%d %ss: %s", len(r.names), r.kind, names)
}

// schema writes the owners and findings of a schema: as a table, or where that is
// too wide for the terminal, as a paragraph for each row.
func (t *reportText) schema(s *doctor.Schema) {
	indent := strings.Repeat(" ", reportIndent)
	var text strings.Builder
	table := terminal.NewTable(&text, "OWNER", "OBJECTS", "MAY NOT")
	rows := schemaRows(s)
	for _, r := range rows {
		table.Row(r.owner, r.objects(t.verbose), r.lacking)
	}
	_ = table.Flush() // to memory
	lines := strings.Split(strings.TrimSuffix(text.String(), "\n"), "\n")
	wide := slices.ContainsFunc(lines, func(line string) bool {
		return t.width > 0 && ansi.StringWidth(line) > t.width-reportIndent
	})
	t.line("")
	for _, line := range lines {
		if !wide {
			t.line(strings.TrimRight(indent+line, " "))
		}
	}
	for _, r := range rows {
		text := oneline.Name(r.owner) + " owns " + r.objects(t.verbose)
		if r.lacking != "" {
			text += "; " + oneline.Name(s.Role) + " may not: " + r.lacking
		}
		if wide {
			t.paragraph(indent, reportIndent+2, text)
		}
	}
	for _, f := range s.Findings {
		t.line("")
		t.paragraph(indent, reportIndent, f.Summary)
		t.labelled("do", f.Action)
		t.command(f.Command)
	}
}
