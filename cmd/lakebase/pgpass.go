package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// writePGPass puts l's token into libpq's password file and returns its name.
func writePGPass(l *login) (string, error) {
	name, err := pgpassFile()
	if err != nil {
		return "", err
	}
	return name, updatePGPass(name, pgpassEntry{host: l.host, port: strconv.Itoa(int(l.port)), user: l.user, password: l.password})
}

// pgpassFile is where libpq looks (PostgreSQL documentation, "The Password
// File").
func pgpassFile() (string, error) {
	if name := os.Getenv("PGPASSFILE"); name != "" {
		return name, nil
	}
	if runtime.GOOS == "windows" {
		dir, err := os.UserConfigDir()
		return filepath.Join(dir, "postgresql", "pgpass.conf"), err
	}
	home, err := os.UserHomeDir()
	return filepath.Join(home, ".pgpass"), err
}

// pgpassEntry is a line of the file, for every database.
type pgpassEntry struct{ host, port, user, password string }

func (e pgpassEntry) fields() []string { return []string{e.host, e.port, "*", e.user, e.password} }

func (e pgpassEntry) line() string {
	fields := e.fields()
	for i, f := range fields {
		fields[i] = pgpassEscaper.Replace(f)
	}
	return strings.Join(fields, ":")
}

var pgpassEscaper = strings.NewReplacer(`\`, `\\`, `:`, `\:`)

// updatePGPass puts e's line into the file, in place of the one that it wrote
// before. It is the first that matches, as libpq takes that. The file is
// replaced as a whole, so that no reader sees half of it.
func updatePGPass(name string, e pgpassEntry) error {
	if resolved, err := filepath.EvalSymlinks(name); err == nil {
		name = resolved // a link stays one
	}
	dir := filepath.Dir(name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	unlock, err := lockDir(dir)
	if err != nil {
		return fmt.Errorf("cannot lock %s: %w", dir, err)
	}
	defer unlock()
	before, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return replaceFile(name, withPGPassEntry(string(before), e))
}

// withPGPassEntry is content with e's line in it.
func withPGPassEntry(content string, e pgpassEntry) string {
	var lines []string
	place := -1
	for line := range strings.Lines(content) {
		line = strings.TrimSuffix(line, "\n")
		fields := splitPGPass(line)
		switch {
		case len(fields) == 5 && slices.Equal(fields[:4], e.fields()[:4]):
			if place < 0 {
				place = len(lines)
			}
			continue
		case place < 0 && e.matchedBy(fields):
			place = len(lines)
		}
		lines = append(lines, line)
	}
	if place < 0 {
		place = len(lines)
	}
	return strings.Join(slices.Insert(lines, place, e.line()), "\n") + "\n"
}

// matchedBy reports whether libpq could take the line for a login of e.
func (e pgpassEntry) matchedBy(fields []string) bool {
	if len(fields) < 5 {
		return false
	}
	for _, i := range []int{0, 1, 3} {
		if fields[i] != "*" && fields[i] != e.fields()[i] {
			return false
		}
	}
	return true
}

// splitPGPass splits a line at its colons and takes the backslashes out. A
// comment has no fields.
func splitPGPass(line string) []string {
	if strings.HasPrefix(line, "#") {
		return nil
	}
	fields := []string{""}
	for i := 0; i < len(line); i++ {
		last := len(fields) - 1
		switch c := line[i]; {
		case c == ':':
			fields = append(fields, "")
		case c == '\\' && i+1 < len(line):
			i++
			fields[last] += line[i : i+1]
		default:
			fields[last] += line[i : i+1]
		}
	}
	return fields
}

// replaceFile writes a new file for its owner's eyes only and puts it in the
// place of name.
func replaceFile(name, content string) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".pgpass-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.WriteString(content)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // the first error says more
	}
	return err
}
