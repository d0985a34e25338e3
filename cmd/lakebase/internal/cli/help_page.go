package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/lakebase-go/lakebase/cmd/lakebase/internal/cli/command"
)

// helpPage is all there is to say about one command, for whatever shows it.
type helpPage struct {
	command   string // with what comes before it: lakebase local env
	short     string
	synopsis  []string
	examples  []string
	long      []textBlock
	commands  []helpLink
	flags     []flagHelp
	exitCodes []exitHelp
	related   []helpLink
}

// helpLink is another command.
type helpLink struct{ command, short string }

// flagHelp is one flag.
type flagHelp struct {
	short, long string // without dashes; short may be ""
	value       string // what it takes; "" for a switch
	usage       string
	preset      string // its default, "" for none
	variables   []string
}

// exitHelp is one exit code, or what stands for several.
type exitHelp struct{ code, meaning string }

// helpPages are the pages of all commands that users see, below root.
func helpPages(root *cobra.Command) []helpPage {
	var pages []helpPage
	EachCommand(root, func(cmd *cobra.Command) {
		if cmd == root || cmd.IsAvailableCommand() {
			pages = append(pages, newHelpPage(cmd))
		}
	})
	return pages
}

func newHelpPage(cmd *cobra.Command) helpPage {
	p := helpPage{
		command:   cmd.CommandPath(),
		short:     cmd.Short,
		long:      textBlocks(cmp.Or(cmd.Long, cmd.Short+".")),
		flags:     flagsHelp(cmd),
		exitCodes: exitCodesOf(cmd.CommandPath()),
	}
	if cmd.Runnable() {
		// cobra counts --help, and that only where it has been asked for.
		line := strings.TrimSuffix(cmd.UseLine(), " [flags]")
		if len(p.flags) > 0 && !cmd.DisableFlagsInUseLine {
			line += " [flags]"
		}
		p.synopsis = append(p.synopsis, line)
	}
	for line := range strings.Lines(cmd.Example) {
		p.examples = append(p.examples, strings.TrimSpace(line))
	}
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			p.commands = append(p.commands, helpLink{c.CommandPath(), c.Short})
		}
	}
	if len(p.commands) > 0 {
		p.synopsis = append(p.synopsis, cmd.CommandPath()+" COMMAND")
	}
	if parent := cmd.Parent(); parent != nil {
		p.related = append(p.related, helpLink{parent.CommandPath(), parent.Short})
	}
	return p
}

// fileName is the name of the page's files, without what comes after a dot.
func (p helpPage) fileName() string { return strings.ReplaceAll(p.command, " ", "-") }

// flagsHelp are the flags of cmd, those that it shares with others last.
func flagsHelp(cmd *cobra.Command) []flagHelp {
	var flags []flagHelp
	add := func(f *pflag.Flag) {
		if f.Hidden || f.Name == "help" {
			return
		}
		h := flagHelp{short: f.Shorthand, long: f.Name, variables: f.Annotations[command.VariableAnnotation]}
		h.value, h.usage = valueOf(f)
		h.usage, h.preset = usageAndDefault(h.usage, f)
		flags = append(flags, h)
	}
	cmd.LocalFlags().VisitAll(add)
	cmd.InheritedFlags().VisitAll(add)
	return flags
}

// valueOf is what a flag takes, and its usage. One that takes any string is
// named for what the string is about: --data-dir DIR.
func valueOf(f *pflag.Flag) (value, usage string) {
	value, usage = pflag.UnquoteUsage(f)
	switch {
	case f.NoOptDefVal != "":
		value = ""
	case value == "string" || value == "stringArray":
		value = f.Name[strings.LastIndex(f.Name, "-")+1:]
	case value == "":
		value = "word"
	}
	return strings.ToUpper(value), usage
}

// usageAndDefault takes the words about the default out of the usage of a
// flag. What they say holds, as in the help.
func usageAndDefault(usage string, f *pflag.Flag) (rest, preset string) {
	before, after, found := strings.Cut(usage, " (default ")
	if found {
		preset, after, _ = strings.Cut(after, ")")
		return before + after, preset
	}
	switch f.DefValue {
	case "false", "[]":
		return usage, ""
	case "0s":
		return usage, "0"
	}
	return usage, strings.Trim(f.DefValue, "[]")
}

// flagNames are the names of a flag as they are typed.
func (f flagHelp) names() []string {
	if f.short == "" {
		return []string{"--" + f.long}
	}
	return []string{"-" + f.short, "--" + f.long}
}

// exitCodesOf are the exit codes of a command and their meanings.
func exitCodesOf(path string) []exitHelp {
	more, known := moreExitCodes[path]
	if !known {
		return nil
	}
	var codes []exitHelp
	for _, c := range command.ExitMeanings {
		if c.Code <= command.ExitUsage || slices.Contains(more.codes, c.Code) {
			codes = append(codes, exitHelp{fmt.Sprint(c.Code), c.Meaning})
		}
	}
	return append(codes, more.own...)
}
