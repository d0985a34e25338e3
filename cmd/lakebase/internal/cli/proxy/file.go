package proxy

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
	"github.com/lakebase-go/lakebase/internal/spelling"
)

// scramVerifier begins a password that is none, only what checks one.
const scramVerifier = "SCRAM-SHA-256$"

// fileError is a mistake in a line of a file.
func fileError(file string, line int, message, hint string) error {
	return command.UsageError(fmt.Sprintf("%s line %d: %s", file, line, message), hint)
}

// readFile takes what a file says.
func (s *settings) readFile(file string) error {
	content, mode, err := readWithMode(file)
	if err != nil {
		return &command.Error{Code: command.ExitUsage, Message: "cannot read the configuration", Err: err}
	}
	sections, err := parseFile(file, content)
	if err != nil {
		return err
	}
	s.file = file
	for _, section := range sections {
		switch section.kind {
		case "proxy":
			err = s.takeProxy(file, section)
		case "target":
			err = s.takeTarget(file, section, mode)
		case "user":
			err = s.takeUser(file, section, mode)
		}
		if err != nil {
			return err
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
	content, err := io.ReadAll(f)
	return content, info.Mode().Perm(), err
}

// requirePrivate refuses a secret in a file that others can read.
func requirePrivate(file string, line int, mode os.FileMode, what string) error {
	if mode&0o077 == 0 || runtime.GOOS == "windows" {
		return nil
	}
	return fileError(file, line, fmt.Sprintf("%s is in a file that other users can read (mode %#o)", what, mode), "chmod 600 "+file)
}

func (s *settings) takeProxy(file string, section fileSection) error {
	var known []string
	s.flags.VisitAll(func(f *pflag.Flag) {
		if _, sectioned := f.Value.(*assignments); !sectioned && f.Name != "config" {
			known = append(known, f.Name)
		}
	})
	return section.take(file, known, func(k fileKey) error {
		if err := s.set(k.name, k.value, fmt.Sprintf("%s line %d", file, k.line)); err != nil {
			return fmt.Errorf("%.100q: %w", k.value, err)
		}
		return nil
	})
}

func (s *settings) takeTarget(file string, section fileSection, mode os.FileMode) error {
	err := section.take(file, []string{"address", "databases"}, func(k fileKey) error {
		source := fmt.Sprintf("%s line %d", file, k.line)
		if k.name == "databases" {
			return s.databases.assign(section.name, k.value, source)
		}
		if hasSecret(k.value) {
			if err := requirePrivate(file, k.line, mode, "the password of a static URL"); err != nil {
				return err
			}
		}
		return s.targetsGiven.assign(section.name, k.value, source)
	})
	if _, ok := s.targetsGiven.of[section.name]; !ok && err == nil {
		return fileError(file, section.line, fmt.Sprintf("target %q has no address", section.name), "for example: address = my-instance/my_database")
	}
	return err
}

func (s *settings) takeUser(file string, section fileSection, mode os.FileMode) error {
	return section.take(file, []string{"password", "targets"}, func(k fileKey) error {
		source := fmt.Sprintf("%s line %d", file, k.line)
		if k.name == "targets" {
			return s.userTargets.assign(section.name, k.value, source)
		}
		if !strings.HasPrefix(k.value, scramVerifier) {
			if err := requirePrivate(file, k.line, mode, fmt.Sprintf("the password of %q", section.name)); err != nil {
				return err
			}
		}
		return s.passwords.assign(section.name, k.value, source)
	})
}

// take gives each key to set, by the name that it is known by.
func (section fileSection) take(file string, known []string, set func(fileKey) error) error {
	seen := map[string]int{}
	for _, k := range section.keys {
		written := k.name
		k.name = strings.ReplaceAll(k.name, "_", "-")
		if !slices.Contains(known, k.name) {
			return fileError(file, k.line, fmt.Sprintf("%s is no setting of [%s]", written, section.kind), section.hint(k.name, known))
		}
		if first := seen[k.name]; first != 0 {
			return fileError(file, k.line, fmt.Sprintf("%s is given twice, in line %d too", written, first), "")
		}
		seen[k.name] = k.line
		if err := set(k); err != nil {
			var placed *command.Error
			if errors.As(err, &placed) {
				return err
			}
			return fileError(file, k.line, written+": "+err.Error(), "")
		}
	}
	return nil
}

// elsewhere says where settings are that a section does not have.
var elsewhere = map[string]string{
	"target":       "each target has a section of its own: [target NAME] with address = TARGET",
	"databases":    "they are in the section of their target: [target NAME]",
	"user-targets": "they are in the section of the user: [user NAME] with targets = NAMES",
	"config":       "a file cannot name another one",
}

// hint says what may have been meant by a key that is none of the known ones.
func (section fileSection) hint(key string, known []string) string {
	near := spelling.Nearest(key, known)
	switch {
	case section.kind == "proxy" && elsewhere[key] != "":
		return elsewhere[key]
	case near != "":
		return "did you mean " + near + "?"
	case section.kind == "proxy":
		return "keys are named like flags: see lakebase proxy --help"
	}
	return "known are " + strings.Join(known, ", ")
}
