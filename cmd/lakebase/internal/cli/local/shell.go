package local

import (
	"fmt"
	"strings"

	"github.com/lakebase-go/lakebase/internal/shellword"
	"github.com/lakebase-go/lakebase/local"
)

// shell is the syntax of a shell.
type shell struct {
	set  string // a variable, with its name and quoted value
	use  string // loads the output of a command
	word func(string) string
}

// shells are those of --shell. sh is that of bash, zsh and dash, too.
var shells = map[string]shell{
	"sh":         {"export %s=%s", `eval "$(%s)"`, shellword.Quoted},
	"fish":       {"set -gx %s %s", "%s | source", quoter(`\`, `\\`, "'", `\'`)},
	"powershell": {"$env:%s = %s", "%s | Invoke-Expression", quoter("'", "''")},
}

// quoter writes words in single quotes, with replacements.
func quoter(replacements ...string) func(string) string {
	r := strings.NewReplacer(replacements...)
	return func(text string) string { return "'" + r.Replace(text) + "'" }
}

// export returns the line that sets v for the programs that the shell starts.
func (s shell) export(v local.EnvVar) string { return fmt.Sprintf(s.set, v.Name, s.word(v.Value)) }

// load returns the line that makes the shell run what command prints.
func (s shell) load(command string) string { return fmt.Sprintf(s.use, command) }
