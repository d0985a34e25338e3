package roles

import (
	"fmt"
	"strings"
)

// Access is how much is granted or revoked.
type Access string

// What a role may do with the tables of a schema.
const (
	Read  Access = "read"  // use the schema and read its tables
	Write Access = "write" // and change their rows
	All   Access = "all"   // and create tables, and everything else
)

// privileges are an access in SQL.
type privileges struct{ schema, tables, sequences string }

var granted = map[Access]privileges{
	Read:  {"USAGE", "SELECT", "SELECT"},
	Write: {"USAGE", "SELECT, INSERT, UPDATE, DELETE", "USAGE, SELECT"},
	All:   {"USAGE, CREATE", "ALL PRIVILEGES", "ALL PRIVILEGES"},
}

// revoked are the privileges beyond the lesser access: revoking Write leaves
// reading.
var revoked = map[Access]privileges{
	Read:  {"", "SELECT", "SELECT"},
	Write: {"", "INSERT, UPDATE, DELETE, TRUNCATE", "USAGE, UPDATE"},
	All:   {"ALL PRIVILEGES", "ALL PRIVILEGES", "ALL PRIVILEGES"},
}

// Plan is a change of a role's privileges.
type Plan struct {
	Role     string
	Database string
	Schemas  []string
	Access   Access
	// Creators are the roles whose future tables are covered too. None means
	// the role that runs the plan.
	Creators []string
	Revoke   bool
}

// Statements returns the plan as SQL, every name quoted.
func (p Plan) Statements() []string {
	role, what := quote(p.Role), granted[p.Access]
	verb, to := "GRANT", "TO"
	if p.Revoke {
		verb, to, what = "REVOKE", "FROM", revoked[p.Access]
	}
	var sql []string
	add := func(format string, args ...any) { sql = append(sql, fmt.Sprintf(format, args...)) }
	if !p.Revoke {
		add("GRANT CONNECT ON DATABASE %s TO %s", quote(p.Database), role)
	}
	for _, s := range p.Schemas {
		schema := quote(s)
		if what.schema != "" && !p.Revoke {
			add("GRANT %s ON SCHEMA %s TO %s", what.schema, schema, role)
		}
		add("%s %s ON ALL TABLES IN SCHEMA %s %s %s", verb, what.tables, schema, to, role)
		add("%s %s ON ALL SEQUENCES IN SCHEMA %s %s %s", verb, what.sequences, schema, to, role)
		creators := []string{""}
		if len(p.Creators) > 0 {
			creators = p.Creators
		}
		for _, c := range creators {
			of := ""
			if c != "" {
				of = "FOR ROLE " + quote(c) + " "
			}
			add("ALTER DEFAULT PRIVILEGES %sIN SCHEMA %s %s %s ON TABLES %s %s", of, schema, verb, what.tables, to, role)
			add("ALTER DEFAULT PRIVILEGES %sIN SCHEMA %s %s %s ON SEQUENCES %s %s", of, schema, verb, what.sequences, to, role)
		}
		if what.schema != "" && p.Revoke {
			add("REVOKE %s ON SCHEMA %s FROM %s", what.schema, schema, role)
		}
	}
	return sql
}

// Check refuses names that no role or schema can have.
func (p Plan) Check() error {
	if err := CheckName(p.Role); err != nil {
		return err
	}
	for _, s := range p.Schemas {
		if s == "" || strings.ContainsRune(s, 0) || len(s) > maxName {
			return &Error{Problem: BadName, Message: fmt.Sprintf("%q is not the name of a schema", s), Hint: "name one that exists, such as public"}
		}
	}
	for _, c := range p.Creators {
		if err := CheckName(c); err != nil {
			return err
		}
	}
	return nil
}
