// Package roles reads, makes and equips the Postgres roles of a Lakebase
// database: those of Databricks identities, which log in with tokens, and
// those of Postgres alone.
package roles

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/steps"
)

// Kind is whose a role is.
type Kind string

// The kinds of roles. Native ones have a password of their own, or none.
const (
	User             Kind = "user"
	ServicePrincipal Kind = "service-principal"
	Group            Kind = "group"
	Native           Kind = "native"
	System           Kind = "system" // made by Postgres or the service
	Unknown          Kind = "unknown"
)

// identityTypes are the kinds in the words of databricks_create_role.
var identityTypes = map[Kind]string{User: "USER", ServicePrincipal: "SERVICE_PRINCIPAL", Group: "GROUP"}

// ParseKind reads the kind of an identity.
func ParseKind(text string) (Kind, error) {
	k := Kind(strings.ReplaceAll(strings.ToLower(text), "_", "-"))
	if identityTypes[k] == "" {
		return "", fmt.Errorf("%q is no kind of identity: use %s, %s or %s", text, User, ServicePrincipal, Group)
	}
	return k, nil
}

// KindOf guesses from an identity's name what it is: service principals go by
// their application id and users by their email address. It is "" for names
// that only a group could have, and somebody should say so.
func KindOf(name string) Kind {
	switch {
	case isUUID(name):
		return ServicePrincipal
	case strings.Contains(name, "@"):
		return User
	}
	return ""
}

// isUUID accepts only the form with dashes, of the forms that uuid.Parse reads.
func isUUID(name string) bool { return len(name) == 36 && uuid.Validate(name) == nil }

// Admin is a session that looks after roles. It is not safe for concurrent use.
type Admin struct {
	conn      *pgx.Conn
	connector *lakebase.Connector
	steps     *steps.Steps
}

// Open logs in with connector, which stays the caller's to close.
func Open(ctx context.Context, connector *lakebase.Connector) (*Admin, error) {
	conn, err := connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &Admin{conn: conn, connector: connector, steps: steps.Of(connector)}, nil
}

// Close ends the session.
func (a *Admin) Close(ctx context.Context) error { return a.conn.Close(ctx) }

// Database is where the session is.
func (a *Admin) Database() string { return a.conn.Config().Database }

// Self is the role that the session logged in as.
func (a *Admin) Self() string { return a.conn.Config().User }

// withToken reports whether the session logged in as an identity.
func (a *Admin) withToken() bool { return a.steps.Workspace != nil }

const maxName = 63 // bytes; Postgres would cut the rest off

// CheckName refuses what cannot be the name of a role, or would be taken for
// something else: Postgres reads even a quoted "public" as everyone.
func CheckName(name string) error {
	switch {
	case name == "":
		return badName(name, "the name of a role is empty")
	case len(name) > maxName:
		return badName(name, fmt.Sprintf("the name of a role has %d bytes and may have %d: Postgres would cut the rest off", len(name), maxName))
	case strings.ContainsRune(name, 0) || !utf8.ValidString(name):
		return badName(name, fmt.Sprintf("%q is not the name of a role: it is no text in UTF-8", name))
	case name == "public":
		return badName(name, `"public" is everyone, not a role`)
	case name == "none":
		return badName(name, `"none" is no role`)
	case strings.HasPrefix(name, "pg_"):
		return badName(name, fmt.Sprintf("%q is a name that Postgres keeps for itself", name))
	}
	return nil
}

// quote makes name an SQL identifier, whatever is in it.
func quote(name string) string { return pgx.Identifier{name}.Sanitize() }
