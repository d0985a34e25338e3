package cli

import (
	"fmt"
	"regexp"
	"strings"
)

// markdown is the page as it stands in docs/cli.
func (p helpPage) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n%s.\n\n", p.command, inMarkdown(p.short))
	fmt.Fprintf(&b, "```text\n%s\n```\n", strings.Join(p.synopsis, "\n"))
	if len(p.examples) > 0 {
		fmt.Fprintf(&b, "\n## Examples\n\n```sh\n%s\n```\n", strings.Join(p.examples, "\n"))
	}
	b.WriteString("\n## Description\n")
	for _, block := range p.long {
		if block.verbatim {
			fmt.Fprintf(&b, "\n```text\n%s\n```\n", strings.Join(unindented(block.lines), "\n"))
			continue
		}
		fmt.Fprintf(&b, "\n%s\n", inMarkdown(strings.Join(block.lines, "\n")))
	}
	if len(p.commands) > 0 {
		b.WriteString("\n## Commands\n\n| command | does |\n|---|---|\n")
		for _, c := range p.commands {
			fmt.Fprintf(&b, "| %s | %s |\n", c.markdown(), inCell(c.short))
		}
	}
	if len(p.flags) > 0 {
		b.WriteString("\n## Flags\n\n| flag | variable | default | meaning |\n|---|---|---|---|\n")
		for _, f := range p.flags {
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", f.markdown(), inCode(f.variables...), inCell(f.preset), inCell(f.usage))
		}
	}
	if len(p.exitCodes) > 0 {
		b.WriteString("\n## Exit codes\n\n| code | meaning |\n|---|---|\n")
		for _, c := range p.exitCodes {
			fmt.Fprintf(&b, "| %s | %s |\n", c.code, inCell(c.meaning))
		}
	}
	b.WriteString("\n## See also\n\n")
	for _, r := range p.related {
		fmt.Fprintf(&b, "- %s: %s\n", r.markdown(), inMarkdown(r.short))
	}
	b.WriteString("- [The command line](../cli.md): output, JSON, targets, exit codes\n")
	return b.String()
}

func (l helpLink) markdown() string {
	return fmt.Sprintf("[%s](%s.md)", l.command, helpPage{command: l.command}.fileName())
}

func (f flagHelp) markdown() string {
	names := f.names()
	if f.value != "" {
		names[len(names)-1] += " " + f.value
	}
	return inCode(names...)
}

func inCode(words ...string) string {
	if len(words) == 0 {
		return ""
	}
	return "`" + strings.Join(words, "`, `") + "`"
}

// asTyped matches what is typed or read by machines: flags, variables,
// commands in quotes, names with underscores, faults.
var asTyped = regexp.MustCompile(`"[^"\n]+"|(?:\B--?|\$)[a-zA-Z][a-zA-Z-]*|\b[A-Z]+(?:_[A-Z]+)+\b|\b[a-z]+(?:_[a-z]+)+\b|\b[a-z]+\.[a-z_]+=\S+\b`)

var markdownSigns = strings.NewReplacer(`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "<", `\<`, "[", `\[`, "~", `\~`)

// inMarkdown is text of a help in Markdown.
func inMarkdown(text string) string {
	var b strings.Builder
	at := 0
	for _, m := range asTyped.FindAllStringIndex(text, -1) {
		b.WriteString(markdownSigns.Replace(text[at:m[0]]))
		b.WriteString(inCode(strings.Trim(text[m[0]:m[1]], `"`)))
		at = m[1]
	}
	b.WriteString(markdownSigns.Replace(text[at:]))
	return b.String()
}

func inCell(text string) string { return strings.ReplaceAll(inMarkdown(text), "|", `\|`) }

// unindented takes from lines the spaces that all of them begin with.
func unindented(lines []string) []string {
	least := len(lines[0])
	for _, l := range lines {
		least = min(least, len(l)-len(strings.TrimLeft(l, " ")))
	}
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = l[least:]
	}
	return out
}
