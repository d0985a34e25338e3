package proxy

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime"
	"slices"
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

// keyForm is what keys look like. Anything else may be part of a secret that
// contains a =, so messages do not show it.
var keyForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,40}$`)

// parseFile splits a file into sections. The format is that of PgBouncer's
// ini files without quotes, escapes and comments at the end of a line: a value
// is all that follows the =, so that passwords can be written as they are.
func parseFile(file string, content []byte) ([]section, error) {
	var sections []section
	at := line{file, 0}
	for text := range strings.Lines(strings.TrimPrefix(string(content), "\ufeff")) {
		at.number++
		text = strings.TrimSpace(text)
		switch {
		case text == "" || text[0] == '#' || text[0] == ';':
		case text[0] == '[':
			s, err := parseSection(at, text)
			if err != nil {
				return nil, err
			}
			if i := slices.IndexFunc(sections, func(other section) bool { return other.kind == s.kind && other.name == s.name }); i >= 0 {
				return nil, at.mistake("", "section [%s] is given twice, first in line %d", printable(strings.TrimSpace(s.kind+" "+s.name)), sections[i].line.number)
			}
			sections = append(sections, s)
		default:
			k, err := parseKey(at, text)
			if err != nil {
				return nil, err
			}
			if len(sections) == 0 {
				return nil, at.mistake("begin with [proxy]", "%s is outside of any section", k.name)
			}
			s := &sections[len(sections)-1]
			if i := slices.IndexFunc(s.keys, func(other key) bool { return other.name == k.name }); i >= 0 {
				return nil, at.mistake("", "%s is given twice, first in line %d", k.name, s.keys[i].line.number)
			}
			s.keys = append(s.keys, k)
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
	case kind == "proxy" && s.name != "":
		return s, at.mistake("", "[proxy] takes no name")
	case kind == "proxy":
	case kind != "target" && kind != "user":
		hint := "the sections are [proxy], [target NAME] and [user NAME]"
		if near := spelling.Nearest(kind, []string{"proxy", "target", "user"}); near != "" {
			hint = "did you mean " + near + "?"
		}
		return s, at.mistake(hint, "unknown section [%s]", printable(full))
	case s.name == "":
		return s, at.mistake(fmt.Sprintf("write [%s NAME]", kind), "section [%s] needs a name", kind)
	}
	return s, nil
}

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

func (l line) malformed() error {
	return l.mistake("", "want a comment, a [section], or key = value")
}

// printable is a name on one line of at most 80 bytes.
func printable(name string) string {
	return strings.Trim(strconv.Quote(fmt.Sprintf("%.80s", name)), `"`)
}

// readFile reads a configuration file.
func (c *configuration) readFile(file string) error {
	content, mode, err := readWithMode(file)
	if err != nil {
		return &command.Error{Code: command.ExitUsage, Message: "cannot read the configuration", Err: err}
	}
	sections, err := parseFile(file, content)
	if err != nil {
		return err
	}
	c.file = file
	for _, s := range sections {
		for _, k := range s.keys {
			if err := c.readKey(s, k, mode); err != nil {
				return err
			}
		}
		if s.kind == "target" && c.addresses.of[s.name] == (assigned{}) {
			return s.line.mistake("for example: address = my-instance/my_database", "target %q has no address", s.name)
		}
	}
	return nil
}

func readWithMode(file string) ([]byte, os.FileMode, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	var content bytes.Buffer
	_, err = io.Copy(&content, f)
	return content.Bytes(), info.Mode().Perm(), err
}

// readKey reads one line of a section.
func (c *configuration) readKey(s section, k key, mode os.FileMode) error {
	source := k.line.String()
	var err error
	switch s.kind + " " + k.name {
	case "target address":
		if hasSecret(k.value) {
			err = k.line.requirePrivate(mode, "the password of a static URL")
		}
		if err == nil {
			err = c.addresses.assign(s.name, k.value, source)
		}
	case "target databases":
		err = k.explain(c.databases.assign(s.name, k.value, source))
	case "user password":
		if !strings.HasPrefix(k.value, scramVerifier) {
			err = k.line.requirePrivate(mode, fmt.Sprintf("the password of %q", s.name))
		}
		if err == nil {
			err = c.passwords.assign(s.name, k.value, source)
		}
	case "user targets":
		err = k.explain(c.userTargets.assign(s.name, k.value, source))
	default:
		setting := c.table.Lookup(k.name)
		if s.kind != "proxy" || setting == nil || elsewhere[k.name] != "" {
			return k.line.mistake(c.hint(s, k.name), "unknown setting %s in [%s]", k.name, s.kind)
		}
		if err = setting.Set(k.value, source); err != nil {
			err = k.explain(fmt.Errorf("%.100q: %w", k.value, err))
		}
	}
	return err
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

// hint says what an unknown key may mean.
func (c *configuration) hint(s section, name string) string {
	known := map[string][]string{"proxy": c.table.Names(), "target": {"address", "databases"}, "user": {"password", "targets"}}[s.kind]
	near := spelling.Nearest(name, known)
	switch {
	case s.kind == "proxy" && elsewhere[name] != "":
		return elsewhere[name]
	case near != "":
		return "did you mean " + near + "?"
	case s.kind == "proxy":
		return "keys have the names of flags: see lakebase proxy --help"
	}
	return "the settings are " + strings.Join(known, " and ")
}

// scramVerifier begins what can check a password but not log in.
const scramVerifier = "SCRAM-SHA-256$"

// requirePrivate refuses a secret in a file that other users can read.
func (l line) requirePrivate(mode os.FileMode, what string) error {
	if mode&0o077 == 0 || runtime.GOOS == "windows" {
		return nil
	}
	return l.mistake("chmod 600 "+l.file, "%s is in a file that other users can read (mode %#o)", what, mode)
}
