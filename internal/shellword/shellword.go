// Package shellword writes words for POSIX shells, for commands to paste.
package shellword

import (
	"fmt"
	"strings"

	"github.com/lakebase-go/lakebase/internal/oneline"
)

// Target and Argument follow an advised command, which names its target by a flag or
// by an argument. A program replaces them by the target of its own command line.
const (
	Target   = "{--target}"
	Argument = "{target}"
)

// plain are the characters that mean nothing to a shell anywhere in a word.
const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:@%+,="

// Of returns text as one word of a shell, in quotes only where it needs them. What is
// harmful to a terminal is written out.
func Of(text string) string {
	if text != "" && strings.Trim(text, plain) == "" {
		return text
	}
	if oneline.Name(text) != text && !strings.HasSuffix(text, "\n") && !strings.ContainsRune(text, 0) {
		return printed(text)
	}
	return Quoted(text)
}

// Quoted returns text as one word of a shell, in single quotes. It is as it is, so
// that a terminal may not show it.
func Quoted(text string) string {
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// printed returns text as the output of printf, of which a shell would cut line ends
// off. All but plain characters are octal: a ! in double quotes is history to a shell.
func printed(text string) string {
	var format strings.Builder
	for i := range len(text) {
		switch c := text[i]; {
		case c == '%':
			format.WriteString("%%")
		case c == ' ', c == '"', c == '-' && i > 0, c != '-' && strings.IndexByte(plain, c) >= 0:
			format.WriteByte(c)
		default:
			fmt.Fprintf(&format, `\%03o`, c)
		}
	}
	return `"$(printf '` + format.String() + `')"`
}
