// Package shellword writes words for POSIX shells, for commands to paste.
package shellword

import "strings"

// plain are the characters that mean nothing to a shell anywhere in a word.
const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:@%+,="

// Of returns text as one word of a shell, in quotes only where it needs them.
func Of(text string) string {
	if text != "" && strings.Trim(text, plain) == "" {
		return text
	}
	return Quoted(text)
}

// Quoted returns text as one word of a shell, in single quotes.
func Quoted(text string) string {
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
