// Package shell writes variables and words in the syntax of a shell.
package shell

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lakebase-go/lakebase/internal/shellword"
	"github.com/lakebase-go/lakebase/local"
)

// Shell is a language to set variables in.
type Shell string

// Shells are the ones that `--shell` knows; sh covers bash, zsh and dash.
var Shells = []Shell{"sh", "fish", "powershell"}

// String, Set and Type make shell a flag value.
func (s *Shell) String() string { return string(*s) }

func (s *Shell) Set(name string) error {
	if !slices.Contains(Shells, Shell(name)) {
		return fmt.Errorf("must be sh, fish or powershell")
	}
	*s = Shell(name)
	return nil
}

func (s *Shell) Type() string { return "shell" }

// Export is the line that sets v for the programs that the shell starts.
func (s Shell) Export(v local.EnvVar) string {
	switch s {
	case "fish":
		return fmt.Sprintf("set -gx %s '%s'", v.Name, strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(v.Value))
	case "powershell":
		return fmt.Sprintf("$env:%s = '%s'", v.Name, strings.ReplaceAll(v.Value, `'`, `''`))
	}
	return fmt.Sprintf("export %s=%s", v.Name, shellword.Quoted(v.Value))
}

// Use is how a person makes the shell run what command prints.
func (s Shell) Use(command string) string {
	switch s {
	case "fish":
		return command + " | source"
	case "powershell":
		return command + " | Invoke-Expression"
	}
	return `eval "$(` + command + `)"`
}
