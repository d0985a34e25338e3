package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/lakebase-go/lakebase/internal/shellword"
	"github.com/lakebase-go/lakebase/local"
)

// shell is a language to set variables in.
type shell string

// shells are the ones that `--shell` knows; sh covers bash, zsh and dash.
var shells = []shell{"sh", "fish", "powershell"}

// String, Set and Type make shell a flag value.
func (s *shell) String() string { return string(*s) }

func (s *shell) Set(name string) error {
	if !slices.Contains(shells, shell(name)) {
		return fmt.Errorf("must be sh, fish or powershell")
	}
	*s = shell(name)
	return nil
}

func (s *shell) Type() string { return "shell" }

// export is the line that sets v for the programs that the shell starts.
func (s shell) export(v local.EnvVar) string {
	switch s {
	case "fish":
		return fmt.Sprintf("set -gx %s '%s'", v.Name, strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(v.Value))
	case "powershell":
		return fmt.Sprintf("$env:%s = '%s'", v.Name, strings.ReplaceAll(v.Value, `'`, `''`))
	}
	return fmt.Sprintf("export %s=%s", v.Name, shellword.Quoted(v.Value))
}

// use is how a person makes the shell run what command prints.
func (s shell) use(command string) string {
	switch s {
	case "fish":
		return command + " | source"
	case "powershell":
		return command + " | Invoke-Expression"
	}
	return `eval "$(` + command + `)"`
}
