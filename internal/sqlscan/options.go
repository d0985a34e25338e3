package sqlscan

import (
	"errors"
	"fmt"
	"strings"
)

// Option is a setting that a client requests in its startup packet.
type Option struct{ Name, Value string }

// ParseOptions parses the parameter "options" of a startup packet as the server
// does: -c name=value, -cname=value and --name=value, separated by white space. A
// backslash escapes the next byte. Hyphens in names become underscores. A name that
// occurs twice is returned twice; the last value counts. The other switches of the
// server are errors.
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

// isSettingName reports whether name is valid as the name of a setting: words
// joined by dots.
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
