package sqlscan

import (
	"errors"
	"fmt"
	"strings"
)

// Option is a setting that a client asks for as it connects.
type Option struct{ Name, Value string }

// ParseOptions parses the parameter options of a startup packet as the server
// does: -c name=value, -cname=value and --name=value, separated by white
// space, with a backslash before a byte that is to be taken as it is. In names
// hyphens become underscores; a name that comes twice is returned twice, and
// the last one counts. The server's other switches are errors.
func ParseOptions(options string) ([]Option, error) {
	var parsed []Option
	rest := options
	for {
		var arg string
		var ok bool
		if arg, rest, ok = cutArgument(rest); !ok {
			return parsed, nil
		}
		flag, assignment := "--", strings.TrimPrefix(arg, "--")
		switch {
		case strings.HasPrefix(arg, "--"):
		case arg == "-c":
			flag = "-c "
			if assignment, rest, ok = cutArgument(rest); !ok {
				return nil, errors.New("option -c has no name=value after it")
			}
		case strings.HasPrefix(arg, "-c"):
			flag, assignment = "-c ", arg[2:]
		default:
			return nil, fmt.Errorf("option %.80q is not supported; use -c name=value", arg)
		}
		name, value, ok := strings.Cut(assignment, "=")
		if !ok {
			return nil, fmt.Errorf("option %.80q has no value; use -c name=value", flag+assignment)
		}
		name = strings.ReplaceAll(name, "-", "_")
		if !isSettingName(name) {
			return nil, fmt.Errorf("option names no setting: %.80q", name)
		}
		if strings.IndexByte(value, 0) >= 0 {
			return nil, fmt.Errorf("option %s has a zero byte in its value", name)
		}
		parsed = append(parsed, Option{name, value})
	}
}

// FormatOptions is the reverse of ParseOptions.
func FormatOptions(options []Option) string {
	var b strings.Builder
	for i, o := range options {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString("-c ")
		b.WriteString(o.Name)
		b.WriteByte('=')
		for j := range len(o.Value) {
			if c := o.Value[j]; c == '\\' || classOf[c] == spaceByte {
				b.WriteByte('\\')
			}
			b.WriteByte(o.Value[j])
		}
	}
	return b.String()
}

// cutArgument returns the first argument of s, unescaped, and what follows it.
func cutArgument(s string) (arg, rest string, ok bool) {
	for len(s) > 0 && classOf[s[0]] == spaceByte {
		s = s[1:]
	}
	if s == "" {
		return "", "", false
	}
	var b strings.Builder
	i := 0
	for ; i < len(s) && classOf[s[i]] != spaceByte; i++ {
		if s[i] == '\\' {
			if i++; i == len(s) {
				break // the server drops it, too
			}
		}
		b.WriteByte(s[i])
	}
	return b.String(), s[i:], true
}

// isSettingName reports whether name is what the server takes for the name of
// a setting: words joined by dots.
func isSettingName(name string) bool {
	for part := range strings.SplitSeq(name, ".") {
		if part == "" || classOf[part[0]]&wordStart == 0 {
			return false
		}
		for i := range len(part) {
			if classOf[part[i]]&wordByte == 0 {
				return false
			}
		}
	}
	return true
}
