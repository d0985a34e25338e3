package pgurl

import (
	"errors"
	"fmt"
	"strings"
)

// parseKeywords reads libpq's other form: host=h user='a b' password=x\'y.
func parseKeywords(s string) (Params, error) {
	p := Params{}
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		name, rest, found := strings.Cut(s, "=")
		name = strings.TrimSpace(name)
		if !found || name == "" || strings.ContainsAny(name, " '\\") {
			return nil, errors.New("want keyword=value pairs; a value with spaces goes in single quotes")
		}
		value, rest, err := cutValue(strings.TrimLeft(rest, " "))
		if err != nil {
			return nil, fmt.Errorf("the value of a keyword: %w", err)
		}
		p[name], s = value, rest
	}
	return p, nil
}

// cutValue takes one value, quoted or not, from the front of s. In both forms
// a backslash makes the next byte literal.
func cutValue(s string) (value, rest string, err error) {
	end := byte(' ')
	if strings.HasPrefix(s, "'") {
		end, s = '\'', s[1:]
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == end:
			return b.String(), s[i+1:], nil
		case s[i] == '\\' && i+1 < len(s):
			i++
		}
		b.WriteByte(s[i])
	}
	if end == '\'' {
		return "", "", errors.New("a single quote is not closed")
	}
	return b.String(), "", nil
}
