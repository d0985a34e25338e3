package postgres

import (
	"fmt"
	"regexp"
)

// Extension is an extension in SQL that servers have in addition to the system's.
// The system's directories are not changed.
type Extension struct {
	Name    string
	Version string
	Control string // text of Name.control
	SQL     string // text of Name--Version.sql
}

// extensionWord matches names and versions, which become part of file names.
var extensionWord = regexp.MustCompile(`^[A-Za-z0-9_.]+$`)

// files returns the names and texts of the files that make up the extension.
func (e Extension) files() (map[string]string, error) {
	if !extensionWord.MatchString(e.Name) || !extensionWord.MatchString(e.Version) {
		return nil, fmt.Errorf("extension %q version %q: both must be letters, digits, _ and . only", e.Name, e.Version)
	}
	return map[string]string{
		e.Name + ".control":                e.Control,
		e.Name + "--" + e.Version + ".sql": e.SQL,
	}, nil
}

// extensionParts returns the extensions as parts of a cache key.
func extensionParts(extensions []Extension) []string {
	var parts []string
	for _, e := range extensions {
		parts = append(parts, e.Name, e.Version, e.Control, e.SQL)
	}
	return parts
}
