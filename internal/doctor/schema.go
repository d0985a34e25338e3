package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/oneline"
	"github.com/lakebase-go/lakebase/internal/roles"
	"github.com/lakebase-go/lakebase/internal/shellword"
)

// Schema is who owns what in a schema, and what a role may not do there.
type Schema struct {
	Name     string         `json:"name"`
	Role     string         `json:"role"`
	Objects  []roles.Object `json:"objects"`  // the schema first
	Findings []Finding      `json:"findings"` // what the role may need
}

// Finding is one thing that a role may not do, and what allows it.
type Finding struct {
	Summary string `json:"summary"`
	Action  string `json:"action"`
	Command string `json:"command"`
}

// checkSchema looks at the schema of the options for their role.
func checkSchema(ctx context.Context, v *visit) Result {
	ctx, cancel := v.within(ctx)
	defer cancel()
	s := &Schema{Name: v.options.Schema, Role: v.options.Role, Findings: []Finding{}}
	if s.Role == "" {
		s.Role = v.conn.Config().User
	}
	var err error
	var creators []roles.Creator
	if s.Objects, err = roles.Objects(ctx, v.conn, s.Name, s.Role); err == nil {
		creators, err = roles.Creators(ctx, v.conn, s.Name, s.Role)
	}
	if known := (*roles.Error)(nil); errors.As(err, &known) {
		return problem("%s", known.Message).means("there is nothing to look at").do(strings.ReplaceAll(known.Hint, shellword.Target, v.targetFlag())).
			failed(&lakebase.Error{Kind: lakebase.KindNotFound, Resource: s.Name, Message: known.Message})
	}
	if err != nil {
		return v.sessionLost(err)
	}
	lacking := s.find(v, creators)
	r := found(nil, "%s may alter %d of %d objects of schema %s", s.Role, len(s.owned()), len(s.Objects), s.Name)
	r.Schema = s
	if lacking != "" {
		r = r.warn(problem("%s %s", s.Role, lacking).
			means("such a statement ends in \"permission denied\" or \"must be owner\" (42501)").do("see below"))
	}
	return r
}

// owned are the objects that the role may alter and drop.
func (s *Schema) owned() []roles.Object {
	return slices.DeleteFunc(slices.Clone(s.Objects), func(o roles.Object) bool { return slices.Contains(o.Lacking, roles.Owning) })
}

// find adds the findings. It returns what the role may not do, in a few words, ""
// if it lacks no privilege but ownership.
func (s *Schema) find(v *visit, creators []roles.Creator) (lacking string) {
	schema, role := s.Objects[0], shellword.Of(s.Role)
	option := " --schema " + shellword.Of(s.Name) + v.targetFlag()
	if !v.isStatic() && v.steps.Database != defaultDatabase {
		option += " --database " + shellword.Of(v.steps.Database)
	}
	add := func(command, action, format string, args ...any) {
		s.Findings = append(s.Findings, Finding{fmt.Sprintf(format, args...), action, command})
	}
	query := func(format string, args ...any) string {
		return "lakebase query" + v.targetFlag() + " " + shellword.Of(fmt.Sprintf(format, args...)+" TO "+quoteSQL(s.Role))
	}
	var owners, synced, calls []string
	tables, owning := 0, 0
	for _, o := range s.Objects {
		privileges := slices.DeleteFunc(slices.Clone(o.Lacking), func(p string) bool { return p == roles.Owning })
		switch {
		case len(o.Lacking) == 0:
		case o.Synced():
			if slices.Contains(privileges, "SELECT") {
				synced = append(synced, o.Name)
			}
		case o.Immovable() != "":
		default:
			owning++
			if !slices.Contains(owners, o.Owner) {
				owners = append(owners, o.Owner)
			}
			switch {
			case slices.Contains(privileges, "EXECUTE"):
				calls = append(calls, o.Name)
			case len(privileges) > 0:
				tables++
			}
		}
	}
	by := strings.Join(owners, " and ")
	run := "have " + by + " run this"
	if len(owners) > 1 {
		run = "have a member of " + by + " run this"
	}
	if owning > 0 {
		add("lakebase roles adopt "+role+option, "to make it the owner, "+run,
			"%s does not own %s of %s, and may not alter or drop them", s.Role, count(owning, "object"), by)
	}
	if tables > 0 {
		add("lakebase roles grant "+role+" --write"+option, "to let it read and write, "+run,
			"%s lacks privileges on %s of %s", s.Role, count(tables, "object"), by)
	}
	if len(calls) > 0 {
		add(query("GRANT EXECUTE ON ALL ROUTINES IN SCHEMA %s", schema.Name), run, "%s may not call %s", s.Role, count(len(calls), "function"))
	}
	if schema.Immovable() != "" && slices.ContainsFunc(schema.Lacking, func(p string) bool { return p != roles.Owning }) {
		add(query("GRANT USAGE, CREATE ON SCHEMA %s", schema.Name), "have a member of "+schema.Owner+" run this",
			"%s lacks %s on the schema", s.Role, strings.Join(schema.Lacking, ", "))
	}
	if len(synced) > 0 {
		what := strings.Join(synced, ", ")
		if len(synced) > 5 {
			what = "ALL TABLES IN SCHEMA " + schema.Name
		}
		add(query("GRANT SELECT ON %s", what), "have a member of databricks_superuser run this, again for each new one: default privileges do not reach synced tables",
			"%s may not read %s", s.Role, count(len(synced), "synced table"))
	}
	for _, c := range creators {
		if !c.Covered {
			add("lakebase roles grant "+role+" --write"+option+" --created-by "+shellword.Of(c.Name), "if it should, have "+c.Name+" run this",
				"%s may not read tables that %s creates here later", s.Role, c.Name)
		}
	}
	switch {
	case slices.Contains(schema.Lacking, "USAGE"):
		return "may not use schema " + s.Name
	case tables+len(calls)+len(synced) > 0:
		return fmt.Sprintf("lacks privileges on %s of schema %s", count(tables+len(calls)+len(synced), "object"), s.Name)
	}
	return ""
}

func count(n int, of string) string {
	if n == 1 {
		return "1 " + of
	}
	return fmt.Sprintf("%d %ss", n, of)
}

// shown passes the texts of the findings through hide, and makes them fit to be shown.
func (s *Schema) shown(hide func(string) string) {
	if s == nil {
		return
	}
	for i := range s.Findings {
		f := &s.Findings[i]
		f.Summary, f.Action, f.Command = oneline.Name(hide(f.Summary)), oneline.Name(hide(f.Action)), pasteable(hide(f.Command))
	}
}
