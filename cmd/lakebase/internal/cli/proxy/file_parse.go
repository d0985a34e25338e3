package proxy

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"gopkg.in/ini.v1"

	"github.com/lakebase-go/lakebase/internal/spelling"
)

// fileSection is a section of a configuration file.
type fileSection struct {
	kind, name string // [kind name]
	line       int
	keys       []fileKey
}

type fileKey struct {
	name, value string
	line        int
}

// parseProxyFile takes a file apart. A value is what stands after the =, with
// no quotes, escapes or comments in it. No error repeats a value.
func parseFile(file string, content []byte) ([]fileSection, error) {
	content = bytes.TrimPrefix(content, []byte("\ufeff"))
	if err := checkLines(file, content); err != nil {
		return nil, err
	}
	lines := &numberedLines{rest: content}
	parsed, err := ini.LoadSources(ini.LoadOptions{
		IgnoreContinuation: true, IgnoreInlineComment: true, PreserveSurroundedQuote: true, KeyValueDelimiters: "=",
		AllowShadows: true, AllowDuplicateShadowValues: true, AllowNonUniqueSections: true,
	}, lines)
	if err != nil {
		return nil, noSuchLine(file, lines.number)
	}
	var sections []fileSection
	places := map[string]int{}
	for i, section := range parsed.Sections() {
		s := fileSection{line: lineOf(section.Comment)}
		for _, key := range section.Keys() { // without those of sections whose name begins this one
			k := fileKey{key.Name(), key.Value(), lineOf(key.Comment)} // not String, which replaces %(name)s
			if len(key.ValueWithShadows()) > 1 {
				return nil, fileError(file, k.line, k.name+" is given twice", "")
			}
			s.keys = append(s.keys, k)
		}
		if i == 0 { // what stands before the first one
			if len(s.keys) > 0 {
				return nil, fileError(file, s.keys[0].line, s.keys[0].name+" stands before any section", "begin with [proxy]")
			}
			continue
		}
		if err := s.setName(file, section.Name()); err != nil {
			return nil, err
		}
		full := s.kind + " " + s.name
		if first := places[full]; first != 0 {
			return nil, fileError(file, s.line, fmt.Sprintf("section [%s] is there twice, in line %d too", onOneLine(strings.TrimSpace(full)), first), "")
		}
		places[full] = s.line
		sections = append(sections, s)
	}
	return sections, nil
}

// setName reads the name of a section.
func (s *fileSection) setName(file, text string) error {
	kind, name, _ := strings.Cut(strings.TrimSpace(text), " ")
	s.kind, s.name = kind, strings.TrimSpace(name)
	switch {
	case kind == "proxy" && s.name == "":
	case kind == "proxy":
		return fileError(file, s.line, "[proxy] has no name", "")
	case kind != "target" && kind != "user":
		hint := "known are [proxy], [target NAME] and [user NAME]"
		if near := spelling.Nearest(kind, []string{"proxy", "target", "user"}); near != "" {
			hint = "did you mean " + near + "?"
		}
		return fileError(file, s.line, fmt.Sprintf("there is no section [%s]", onOneLine(text)), hint)
	case s.name == "":
		return fileError(file, s.line, fmt.Sprintf("section [%s] needs a name", kind), fmt.Sprintf("write [%s NAME]", kind))
	}
	return nil
}

// onOneLine is a name as it is written, but for what would not be seen.
func onOneLine(name string) string {
	return strings.Trim(strconv.Quote(fmt.Sprintf("%.80s", name)), `"`)
}

func noSuchLine(file string, line int) error {
	return fileError(file, line, "this is neither a comment, nor a [section], nor key = value", "")
}

// keyForm is what keys look like. What does not may be a secret with a = in it,
// and is not repeated in a message.
var keyForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,40}$`)

// checkLines finds what the parser would pass over or take in its own way: keys
// that cannot be any or have no value, something after the name of a section,
// and values that begin with a quote, of which the parser knows several kinds
// with rules of their own, and people mean another one each time.
func checkLines(file string, content []byte) error {
	number := 0
	for line := range bytes.Lines(content) {
		number++
		line = bytes.TrimSpace(line)
		if bytes.HasPrefix(line, []byte("[")) {
			end := bytes.LastIndexByte(line, ']')
			if end < 0 {
				return noSuchLine(file, number)
			}
			after := bytes.TrimSpace(line[end+1:])
			if len(after) > 0 && after[0] != ';' && after[0] != '#' {
				return fileError(file, number, "something follows the name of the section", "write it in a line of its own")
			}
			continue
		}
		key, value, ok := bytes.Cut(line, []byte("="))
		key, value = bytes.TrimSpace(key), bytes.TrimSpace(value)
		switch {
		case !ok || len(key) > 0 && (key[0] == '#' || key[0] == ';'):
		case !keyForm.Match(key):
			return noSuchLine(file, number)
		case len(value) == 0: // which the parser would pass over if there is another one
			return fileError(file, number, string(key)+" has no value", "leave the line out for the default")
		case bytes.IndexByte([]byte("\"'`"), value[0]) >= 0:
			return fileError(file, number, string(key)+" begins with a quote", "write values as they are, without quotes")
		}
	}
	return nil
}

// lineMark begins the comments that tell the number of a line. The parser gives
// comments to what follows them, but no numbers.
const lineMark = ";line of the file: "

// numberedLines hands out the lines of a file one at a time, each after a
// comment with its number.
type numberedLines struct {
	rest    []byte
	pending []byte
	number  int // of the last line that was handed out
}

func (l *numberedLines) Read(p []byte) (int, error) {
	if len(l.pending) == 0 {
		if len(l.rest) == 0 {
			return 0, io.EOF
		}
		end := bytes.IndexByte(l.rest, '\n') + 1
		if end == 0 {
			end = len(l.rest)
		}
		l.number++
		l.pending = fmt.Appendf(nil, "%s%d\n%s", lineMark, l.number, l.rest[:end])
		l.rest = l.rest[end:]
	}
	n := copy(p, l.pending)
	l.pending = l.pending[n:]
	return n, nil
}

// lineOf is the number in the last of such comments, 0 if there is none.
func lineOf(comment string) int {
	_, number, _ := strings.Cut(comment[max(0, strings.LastIndex(comment, lineMark)):], lineMark)
	digits := strings.TrimRight(number, " \r\n")
	if i := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' }); i >= 0 {
		digits = digits[:i]
	}
	n, _ := strconv.Atoi(digits)
	return n
}
