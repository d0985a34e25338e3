package txpool

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/lakebase-go/lakebase/internal/sqlscan"
)

// Settings are the settings of a session that differ from those of a new one, by
// their names in lower case. Values of this type can be compared with ==. The zero
// value has none.
type Settings struct{ assignments }

// NewSettings returns the settings that options request. If a name occurs twice, the
// last value counts.
func NewSettings(options []sqlscan.Option) (Settings, error) {
	values := map[string]string{}
	for _, o := range options {
		if strings.IndexByte(o.Name, 0) >= 0 || strings.IndexByte(o.Value, 0) >= 0 {
			return Settings{}, fmt.Errorf("the setting %q has a zero byte in it", o.Name)
		}
		value := o.Value
		switch {
		case sqlscan.Fold(o.Name) == applicationName:
			value = cleanASCII(value)
		case !utf8.ValidString(value):
			return Settings{}, fmt.Errorf("the setting %q has a value that is not in UTF-8", o.Name)
		}
		values[sqlscan.Fold(o.Name)] = value
	}
	return Settings{newAssignments(values)}, nil
}

// applicationName is the one setting that cannot affect a response and that the
// server never rejects.
const applicationName = "application_name"

// cleanASCII replaces all bytes that are not printable ASCII, as PostgreSQL does with
// the application_name of a startup packet.
func cleanASCII(s string) string {
	cleaned := []byte(s)
	for i, c := range cleaned {
		if c < ' ' || c > '~' {
			cleaned[i] = '?'
		}
	}
	return string(cleaned)
}

// planning returns those of s that affect the meaning of text.
func (s Settings) planning() Settings {
	if s == (Settings{}) {
		return s
	}
	values := s.values()
	maps.DeleteFunc(values, func(name, _ string) bool { return !sqlscan.AffectsMeaning(name) })
	return Settings{newAssignments(values)}
}

// custom returns those of s that the server does not list, in a new map.
func (s Settings) custom() map[string]string {
	values := s.values()
	maps.DeleteFunc(values, func(name, _ string) bool { return !sqlscan.IsCustomSetting(name) })
	return values
}

// or returns s with those of fallback that s does not have.
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

// inexactEncodings are encodings in which a byte below 128 may be part of another
// character, so that SQL text cannot be scanned.
var inexactEncodings = []string{"sjis", "shiftjis", "mskanji", "win932", "big5", "win950", "gbk", "win936", "gb18030", "uhc", "win949", "johab", "shiftjis2004"}

// unshareable returns the reason why a client with s must be pinned, "" if it need not.
func (s Settings) unshareable() string {
	if slices.Contains(inexactEncodings, plainEncoding(s.value(encodingName))) {
		return pinEncoding
	}
	return ""
}

// hasOtherThanASCII reports whether a name or a value is not in ASCII.
func (s Settings) hasOtherThanASCII() bool {
	for name, value := range s.all() {
		if !isASCII(name) || !isASCII(value) {
			return true
		}
	}
	return false
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r > 127 }) < 0
}

// plainEncoding returns the name of an encoding as PostgreSQL compares it.
func plainEncoding(encoding string) string {
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

// encodingName is the setting that decides in which encoding messages are. It is set
// last, since what the other assignments return may have characters that it lacks.
const encodingName = "client_encoding"

// idleLimit is the setting with which the server ends a session between transactions.
const idleLimit = "idle_session_timeout"

// roleName is the setting of SET ROLE. It is set last and reset first, since it
// decides which other settings may be changed. If that is refused, it is set first.
const roleName = "role"

// withoutIdleLimit returns s without that setting.
func (s Settings) withoutIdleLimit() Settings {
	values := s.values()
	delete(values, idleLimit)
	return Settings{newAssignments(values)}
}

// differOnlyInName reports whether two settings differ only in application_name.
func differOnlyInName(a, b Settings) bool {
	for _, pair := range [][2]Settings{{a, b}, {b, a}} {
		for name := range pair[0].changes(pair[1].assignments) {
			if name != applicationName {
				return false
			}
		}
	}
	return true
}

// appendApply appends SQL that changes the settings from into to.
func appendApply(dst []byte, from, to Settings, roleFirst bool) []byte {
	wanted, had := to.values(), from.values()
	if role, ok := had[roleName]; ok && wanted[roleName] != role {
		dst = append(dst, "RESET ROLE;"...)
		delete(had, roleName)
	}
	for name := range from.all() {
		if _, keep := wanted[name]; !keep && name != roleName {
			dst = appendReset(dst, name)
		}
	}
	last := []string{roleName, encodingName}
	if role, ok := wanted[roleName]; ok && roleFirst {
		dst = append(appendSetConfig(append(dst, "SELECT "...), roleName, role), ';')
		last = last[1:]
	}
	calls := 0
	for name, value := range from.changes(to.assignments) {
		if name == roleName || name == encodingName {
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
	for _, name := range last {
		if value, ok := wanted[name]; ok && had[name] != value {
			dst = append(appendSetConfig(append(dst, "SELECT "...), name, value), ';')
		}
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

// appendReset appends SQL that resets a setting. RESET cuts the parts of a name, which
// set_config does not.
func appendReset(dst []byte, name string) []byte {
	for part := range strings.SplitSeq(name, ".") {
		if len(part) > sqlscan.MaxName {
			dst = append(dst, "SELECT pg_catalog.set_config("...)
			return append(sqlscan.AppendLiteral(dst, name), ",NULL,false);"...)
		}
	}
	return append(append(append(dst, "RESET "...), quotedSetting(name)...), ';')
}

// quotedSetting returns the name of a setting with its parts quoted.
func quotedSetting(name string) string {
	return `"` + strings.ReplaceAll(strings.ReplaceAll(name, `"`, `""`), ".", `"."`) + `"`
}
