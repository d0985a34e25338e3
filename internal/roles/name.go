package roles

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
)

const maxName = 63 // bytes; Postgres would cut the rest off

// CheckName refuses names that a role cannot have, or that Postgres reads as
// something else: even a quoted "public" means every role.
func CheckName(name string) error {
	switch {
	case name == "":
		return badName(name, "the name of a role is empty")
	case len(name) > maxName:
		return badName(name, fmt.Sprintf("the name of a role has %d bytes and may have %d: Postgres would cut it off", len(name), maxName))
	case strings.ContainsRune(name, 0) || !utf8.ValidString(name):
		return badName(name, fmt.Sprintf("%q is not the name of a role: it is not UTF-8", name))
	case name == "public":
		return badName(name, `"public" means every role, and is not one`)
	case name == "none":
		return badName(name, `"none" is not a role`)
	case strings.HasPrefix(name, "pg_"):
		return badName(name, fmt.Sprintf("%q is a name that Postgres reserves", name))
	}
	return nil
}

// quote makes any name an SQL identifier.
func quote(name string) string { return pgx.Identifier{name}.Sanitize() }

// similarName returns the first of names that differs from name in case only,
// "" if none does.
func similarName(name string, names []string) string {
	for _, n := range names {
		if n != name && strings.EqualFold(n, name) {
			return n
		}
	}
	return ""
}
