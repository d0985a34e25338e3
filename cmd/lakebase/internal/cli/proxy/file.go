package proxy

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/internal/spelling"
)

// section is a section of a configuration file: [kind name].
type section struct {
	kind, name string
	line       line
	keys       []key
}

// key is a line name = value. Its name has underscores, whatever the file has.
type key struct {
	name, value string
	line        line
}

// line is a line of a file.
type line struct {
	file   string
	number int
}

func (l line) String() string { return fmt.Sprintf("%s line %d", l.file, l.number) }

// mistake returns an error about the line. It must not show a value that may be
// a secret.
func (l line) mistake(hint, format string, args ...any) error {
	return command.UsageError(l.String()+": "+fmt.Sprintf(format, args...), hint)
}

func (l line) malformed() error {
	return l.mistake("", "want a comment, a [section], or key = value")
}

// parseFile splits a file into sections. The format is that of PgBouncer's
// ini files without quotes, escapes and comments at the end of a line: a value
// is all that follows the =, so that passwords can be written as they are.
func parseFile(file, content string) (sections []section, err error) {
	at, seen := line{file, 0}, map[string]int{}
	once := func(what string, id ...string) error {
		full := strings.Join(id, "\x00")
		if first := seen[full]; first != 0 {
			return at.mistake("", "%s is given twice, first in line %d", what, first)
		}
		seen[full] = at.number
		return nil
	}
	for text := range strings.Lines(strings.TrimPrefix(content, "\ufeff")) {
		at.number++
		text = strings.TrimSpace(text)
		switch {
		case text == "" || text[0] == '#' || text[0] == ';':
			continue
		case text[0] == '[':
			var s section
			if s, err = parseSection(at, text); err == nil {
				sections = append(sections, s)
				err = once("section ["+printable(strings.TrimSpace(s.kind+" "+s.name))+"]", s.kind, s.name)
			}
		default:
			var k key
			if k, err = parseKey(at, text); err != nil {
				break
			}
			if len(sections) == 0 {
				return nil, at.mistake("begin with [proxy]", "%s is outside of any section", k.name)
			}
			s := &sections[len(sections)-1]
			s.keys = append(s.keys, k)
			err = once(k.name, s.kind, s.name, k.name)
		}
		if err != nil {
			return nil, err
		}
	}
	return sections, nil
}

// parseSection reads [kind name]. A comment may follow.
func parseSection(at line, text string) (section, error) {
	end := strings.LastIndexByte(text, ']')
	if end < 0 {
		return section{}, at.malformed()
	}
	if rest := strings.TrimSpace(text[end+1:]); rest != "" && rest[0] != '#' && rest[0] != ';' {
		return section{}, at.mistake("start a new line", "text after the section name")
	}
	full := strings.TrimSpace(text[1:end])
	kind, name, _ := strings.Cut(full, " ")
	s := section{kind: kind, name: strings.TrimSpace(name), line: at}
	switch {
	case full == "":
		return s, at.malformed()
	case kind != "proxy" && kind != "target" && kind != "user":
		return s, at.mistake("the sections are [proxy], [target NAME] and [user NAME]", "unknown section [%s]", printable(full))
	case kind == "proxy" && s.name != "":
		return s, at.mistake("", "[proxy] takes no name")
	case kind != "proxy" && s.name == "":
		return s, at.mistake(fmt.Sprintf("write [%s NAME]", kind), "section [%s] needs a name", kind)
	}
	return s, nil
}

// keyForm is what keys look like. Anything else may be part of a secret that
// contains a =, so messages do not show it.
var keyForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,40}$`)

// parseKey reads name = value.
func parseKey(at line, text string) (key, error) {
	name, value, ok := strings.Cut(text, "=")
	name, value = strings.TrimSpace(name), strings.TrimSpace(value)
	switch {
	case !ok || !keyForm.MatchString(name):
		return key{}, at.malformed()
	case value == "":
		return key{}, at.mistake("remove the line to use the default", "%s has no value", name)
	case strings.ContainsRune("\"'`", rune(value[0])):
		return key{}, at.mistake("write values without quotes", "%s begins with a quote", name)
	}
	return key{strings.ReplaceAll(name, "-", "_"), value, at}, nil
}

// printable is a name on one line of at most 80 bytes.
func printable(name string) string {
	return strings.Trim(strconv.Quote(fmt.Sprintf("%.80s", name)), `"`)
}

// explain adds the place to an error.
func (k key) explain(err error) error {
	if err == nil {
		return nil
	}
	return k.line.mistake("", "%s: %v", k.name, err)
}

// elsewhere says where the settings are that [proxy] does not have.
var elsewhere = map[string]string{
	"target":       "each target has its own section: [target NAME] with address = TARGET",
	"databases":    "databases belong in the section of their target: [target NAME]",
	"user_targets": "targets belong in the section of their user: [user NAME] with targets = NAMES",
	"config":       "a file cannot name another one",
}

// unknown returns an error about a key that is none of the known ones.
func (k key) unknown(s section, known []string, hint string) error {
	if near := spelling.Nearest(k.name, known); s.kind == "proxy" && elsewhere[k.name] != "" {
		hint = elsewhere[k.name]
	} else if near != "" {
		hint = "did you mean " + near + "?"
	}
	return k.line.mistake(hint, "unknown setting %s in [%s]", k.name, s.kind)
}
