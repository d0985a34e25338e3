package proxy

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/lakebase-go/lakebase/internal/settings"
)

// flags are the texts that the command line gives, by setting. They are kept
// because each reload reads them again, on top of the file.
type flags struct {
	texts map[string][]string
}

// addFlags adds a flag to cmd for each setting.
func addFlags(cmd *cobra.Command) *flags {
	f, c := &flags{map[string][]string{}}, newConfiguration()
	cmd.Flags().SortFlags = false
	for _, s := range c.table {
		flag := cmd.Flags().VarPF(flagValue{f, s}, flagOf(s.Name), "", s.Usage)
		if s.Value.Type() == "bool" {
			flag.NoOptDefVal = "true"
		}
		if s.Name == "config" {
			for _, a := range c.given() {
				cmd.Flags().Var(assignmentFlag{f, a}, flagOf(a.name), a.usage)
			}
		}
	}
	return f
}

// flagOf returns the name of the flag of a setting.
func flagOf(name string) string { return strings.ReplaceAll(name, "_", "-") }

// text returns what the command line gives for s, if anything: the last text,
// or the names of all.
func (f *flags) text(s *settings.Setting) (string, bool) {
	texts := f.texts[s.Name]
	switch {
	case len(texts) == 0:
		return "", false
	case s.Value.Type() == "names":
		return strings.Join(texts, ","), true
	}
	return texts[len(texts)-1], true
}

func (f *flags) last(name string) string {
	if texts := f.texts[name]; len(texts) > 0 {
		return texts[len(texts)-1]
	}
	return ""
}

// flagValue is the flag of a setting. Setting it checks the text.
type flagValue struct {
	flags   *flags
	setting *settings.Setting
}

func (v flagValue) Set(text string) error {
	if err := v.setting.Value.Set(text); err != nil {
		return err
	}
	v.flags.texts[v.setting.Name] = append(v.flags.texts[v.setting.Name], text)
	return nil
}

func (v flagValue) String() string {
	if v.setting == nil {
		return "" // of the zero value, which pflag compares defaults with
	}
	return v.setting.Text()
}

func (v flagValue) Type() string { return v.setting.Value.Type() }

// assignmentFlag is the flag of assignments. It checks nothing: pflag's error
// would show the text, which may hold a password.
type assignmentFlag struct {
	flags       *flags
	assignments *assignments
}

func (v assignmentFlag) Set(text string) error {
	v.flags.texts[v.assignments.name] = append(v.flags.texts[v.assignments.name], text)
	return nil
}

func (v assignmentFlag) String() string { return "" }
func (v assignmentFlag) Type() string   { return v.assignments.form }
