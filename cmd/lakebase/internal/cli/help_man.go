package cli

import (
	"fmt"
	"strings"
)

// man is the page for man(1), in the macros of man(7). It bears no date and no
// version: the same text is the same page.
func (p helpPage) man() string {
	var b strings.Builder
	fmt.Fprintf(&b, ".\\\" Made by \"lakebase man\".\n.TH %s 1 \"\" \"lakebase\" \"User Commands\"\n.nh\n.ad l\n",
		strings.ToUpper(roff(p.fileName())))
	section := func(name string) { fmt.Fprintf(&b, ".SH %s\n", name) }
	section("NAME")
	fmt.Fprintf(&b, "%s \\- %s\n", roff(p.fileName()), roff(p.short))
	section("SYNOPSIS")
	verbatim(&b, p.synopsis)
	if len(p.examples) > 0 {
		section("EXAMPLES")
		verbatim(&b, p.examples)
	}
	section("DESCRIPTION")
	for i, block := range p.long {
		if i > 0 && !block.tight {
			b.WriteString(".PP\n")
		}
		if block.verbatim {
			verbatim(&b, unindented(block.lines))
			continue
		}
		b.WriteString(roff(strings.Join(block.lines, "\n")) + "\n")
	}
	if len(p.commands) > 0 {
		section("COMMANDS")
		for _, c := range p.commands {
			fmt.Fprintf(&b, ".TP\n.BR %s (1)\n%s\n", roff(helpPage{command: c.command}.fileName()), roff(c.short))
		}
	}
	if len(p.flags) > 0 {
		section("OPTIONS")
		for _, f := range p.flags {
			f.man(&b)
		}
	}
	if len(p.exitCodes) > 0 {
		section("EXIT STATUS")
		for _, c := range p.exitCodes {
			fmt.Fprintf(&b, ".TP\n.B %s\n%s\n", c.code, roff(c.meaning))
		}
	}
	section("SEE ALSO")
	for _, r := range p.related {
		fmt.Fprintf(&b, ".BR %s (1),\n", roff(helpPage{command: r.command}.fileName()))
	}
	b.WriteString("https://github.com/lakebase\\-go/lakebase\n")
	return b.String()
}

func (f flagHelp) man(b *strings.Builder) {
	names := f.names()
	for i, n := range names {
		names[i] = `\fB` + roff(n) + `\fR`
	}
	b.WriteString(".TP\n" + strings.Join(names, ", "))
	if f.value != "" {
		b.WriteString(` \fI` + roff(f.value) + `\fR`)
	}
	b.WriteString("\n" + roff(f.usage) + "\n")
	if f.preset != "" {
		fmt.Fprintf(b, ".br\nDefault: %s\n", roff(f.preset))
	}
	if len(f.variables) > 0 {
		fmt.Fprintf(b, ".br\nVariable: %s\n", roff(strings.Join(f.variables, ", ")))
	}
}

// verbatim shows lines as they are, indented.
func verbatim(b *strings.Builder, lines []string) {
	b.WriteString(".RS 4\n.nf\n" + roff(strings.Join(lines, "\n")) + "\n.fi\n.RE\n")
}

// roffSigns keeps what roff would take for its own or for typography.
var roffSigns = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`,
	"\n.", "\n\\&.")

// roff is text for a page.
func roff(text string) string {
	text = roffSigns.Replace(text)
	if strings.HasPrefix(text, ".") {
		text = `\&` + text
	}
	return text
}
