// Package settings has one type for the settings of the library, the proxy and
// its command: a table with a line for each setting. The line says what the
// setting is called, which variables of the environment set it, how its value
// is read and written, and where the value in force came from.
//
// A table is bound to the fields of one configuration. It is not safe for
// concurrent use.
package settings

import (
	"cmp"
	"os"
	"strings"

	"github.com/lakebase-go/lakebase/internal/spelling"
)

// OfProxy returns the settings of a *proxy.Config, for the command that reads
// them. Package proxy sets it: its table is no part of its API.
var OfProxy func(config any) Table

// Setting is one setting. The zero value of its field means its default.
type Setting struct {
	Name      string   // in files, parameters and the console: default_pool_size
	Field     string   // of the configuration, where messages name it
	Variables []string // of the environment; the first one that is set counts
	Usage     string   // one line for help
	Value     Value    // reads and writes the field
	Default   string   // what the zero value means, as Value writes it
	Unset     string   // what decides where Default cannot say it: (looked up)
	Restart   bool     // a running server keeps the value it has

	// Source says where the value came from. It is empty while the default is
	// in force.
	Source string
}

// Sources. A setting of a file has the place as its source: proxy.ini line 3.
const (
	FromArgument    = "argument"
	FromFlag        = "flag"
	FromEnvironment = "environment " // followed by the variable
	FromProgram     = "program"
	FromDefault     = "default"
)

// Set reads text, which source gives, in place of the former value. The error
// says what would be right; naming the setting and its value is up to the
// caller, who knows whether that is a secret.
func (s *Setting) Set(text, source string) error {
	if err := s.Value.Set(text); err != nil {
		return err
	}
	s.Source = source
	return nil
}

// Text returns the value in force as Set reads it.
func (s *Setting) Text() string { return cmp.Or(s.Value.String(), s.Default) }

// Environment returns the first of the setting's variables that is set, and
// its value without the space around it: secrets in CI often end in a newline.
// An empty variable counts as unset.
func (s *Setting) Environment() (variable, value string) {
	for _, variable := range s.Variables {
		if value := strings.TrimSpace(os.Getenv(variable)); value != "" {
			return variable, value
		}
	}
	return "", ""
}

// Table is all settings of one configuration, in the order that people read
// them.
type Table []*Setting

// Lookup returns the setting of that name, in which hyphens and underscores
// are the same, or nil.
func (t Table) Lookup(name string) *Setting {
	name = strings.ReplaceAll(name, "-", "_")
	for _, s := range t {
		if s.Name == name {
			return s
		}
	}
	return nil
}

// Names returns the names of all settings.
func (t Table) Names() []string {
	names := make([]string, len(t))
	for i, s := range t {
		names[i] = s.Name
	}
	return names
}

// Nearest returns the name that most resembles an unknown one, or "".
func (t Table) Nearest(name string) string {
	return spelling.Nearest(strings.ReplaceAll(name, "-", "_"), t.Names())
}

// ApplyDefaults sets every field that has a default and is zero.
func (t Table) ApplyDefaults() {
	for _, s := range t {
		if s.Default != "" && s.Value.String() == "" {
			_ = s.Value.Set(s.Default) // what Value writes, it reads: tests of the tables hold this
		}
	}
}

// Check returns the first setting whose field holds what it would not read, and
// what would be right. It sets every field to what was written, which is the
// same but for spellings.
func (t Table) Check() (*Setting, error) {
	for _, s := range t {
		if v := s.Value.String(); v != "" {
			if err := s.Value.Set(v); err != nil {
				return s, err
			}
		}
	}
	return nil, nil
}
