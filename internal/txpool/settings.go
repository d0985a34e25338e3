package txpool

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/lakebase-go/lakebase/internal/sqlscan"
)

// Settings are those of a session that differ from what a new one has, by
// their names in lower case. Equal ones are the same value, and the zero value
// is none.
type Settings struct{ assignments }

// NewSettings returns what options ask for. The last one of a name counts.
func NewSettings(options []sqlscan.Option) (Settings, error) {
	values := map[string]string{}
	for _, o := range options {
		if strings.IndexByte(o.Name, 0) >= 0 || strings.IndexByte(o.Value, 0) >= 0 {
			return Settings{}, fmt.Errorf("the setting %q has a zero byte in it", o.Name)
		}
		values[strings.ToLower(o.Name)] = o.Value
	}
	return Settings{newAssignments(values)}, nil
}

// applicationName is the one setting that cannot change an answer, and that
// the server never refuses.
const applicationName = "application_name"

// planning is what of s may change the meaning of a text when it is prepared.
func (s Settings) planning() Settings {
	if s == (Settings{}) {
		return s
	}
	values := s.values()
	maps.DeleteFunc(values, func(name, _ string) bool { return !sqlscan.AffectsMeaning(name) })
	return Settings{newAssignments(values)}
}

// or returns s, with those of fallback that s has not.
func (s Settings) or(fallback Settings) Settings {
	if fallback == (Settings{}) || s == fallback {
		return s
	}
	values := fallback.values()
	for name, value := range s.all() {
		values[name] = value
	}
	return Settings{newAssignments(values)}
}

// inexactEncodings have characters in which a byte below 128 stands for
// something else, so that SQL text cannot be read.
var inexactEncodings = []string{"sjis", "shiftjis", "mskanji", "win932", "big5", "win950", "gbk", "win936", "gb18030", "uhc", "win949", "johab", "shiftjis2004"}

// unshareable is why a client with s must keep its server, "" if it need not.
func (s Settings) unshareable() string {
	encoding, ascii := "", true
	for name, value := range s.all() {
		if name == "client_encoding" {
			encoding = plain(value)
		}
		ascii = ascii && strings.IndexFunc(value, func(r rune) bool { return r > 127 }) < 0
	}
	switch {
	case slices.Contains(inexactEncodings, encoding):
		return pinEncoding
	case encoding != "" && encoding != "utf8" && encoding != "unicode" && !ascii:
		return pinEncoding // the text that sets them would be in another encoding
	}
	return ""
}

// plain is the name of an encoding as Postgres compares it.
func plain(encoding string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= '0' && r <= '9' || r >= 'a' && r <= 'z':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return -1
	}, encoding)
}

// roleName is the setting behind SET ROLE. It comes last when settings are
// applied, and goes first, since it decides what else may be set.
const roleName = "role"

// appendApply appends SQL that turns the settings from into to.
func appendApply(dst []byte, from, to Settings) []byte {
	wanted, had := to.values(), from.values()
	if role, ok := had[roleName]; ok && wanted[roleName] != role {
		dst = append(dst, "RESET ROLE;"...)
		delete(had, roleName)
	}
	for name := range from.all() {
		if _, keep := wanted[name]; !keep && name != roleName {
			dst = append(append(append(dst, "RESET "...), quotedSetting(name)...), ';')
		}
	}
	calls := 0
	for name, value := range from.changes(to.assignments) {
		if name == roleName {
			continue
		}
		if calls++; calls == 1 {
			dst = append(dst, "SELECT "...)
		} else {
			dst = append(dst, ',')
		}
		dst = appendSetConfig(dst, name, value)
	}
	if calls > 0 {
		dst = append(dst, ';')
	}
	if role, ok := wanted[roleName]; ok && had[roleName] != role {
		dst = append(appendSetConfig(append(dst, "SELECT "...), roleName, role), ';')
	}
	return dst
}

func appendSetConfig(dst []byte, name, value string) []byte {
	dst = append(dst, "pg_catalog.set_config("...)
	dst = sqlscan.AppendLiteral(dst, name)
	dst = append(dst, ',')
	dst = sqlscan.AppendLiteral(dst, value)
	return append(dst, ",false)"...)
}

// quotedSetting quotes the parts of a setting's name.
func quotedSetting(name string) string {
	return `"` + strings.ReplaceAll(strings.ReplaceAll(name, `"`, `""`), ".", `"."`) + `"`
}
