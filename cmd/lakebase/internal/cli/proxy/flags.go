package proxy

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// flags are the texts that the command line gives, by setting. They are kept
// because each reload reads them again, on top of the file.
type flags map[string]*flagValue

// addFlags adds a flag to cmd for each setting.
func addFlags(cmd *cobra.Command) flags {
	f := flags{}
	cmd.Flags().SortFlags = false
	for _, s := range newConfiguration().table {
		f[s.Name] = &flagValue{kind: s.Value.Type(), preset: s.Default}
		flag := cmd.Flags().VarPF(f[s.Name], flagOf(s.Name), "", s.Usage)
		if flag.Value.Type() == "bool" {
			flag.NoOptDefVal = "true"
		}
	}
	return f
}

// flagOf returns the name of the flag of a setting.
func flagOf(name string) string { return strings.ReplaceAll(name, "_", "-") }

// flagValue is the value of a flag. It takes any text: load checks it, because
// pflag's error would show a text that may hold a password.
type flagValue struct {
	kind, preset string
	texts        []string
}

func (v *flagValue) Set(text string) error {
	v.texts = append(v.texts, text)
	return nil
}

// String returns the default: pflag asks for it as the flag is added.
func (v *flagValue) String() string { return v.preset }
func (v *flagValue) Type() string   { return v.kind }

// text returns what counts of several texts of a setting with one value: the
// last, or all names.
func (v *flagValue) text() string {
	if v.kind == "names" {
		return strings.Join(v.texts, ",")
	}
	return slices.Concat([]string{""}, v.texts)[len(v.texts)]
}
