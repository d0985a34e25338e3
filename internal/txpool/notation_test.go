package txpool

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/internal/routines"
)

// The tests write messages by their type bytes: P(s1,select 1) B(s1) E S from a
// client, 1 2 C(SELECT 1) Z(I) from a server. D(s1) and C(s1) from a client are
// about statements, DP and CP about the unnamed portal.

func message(typ byte, parts ...string) []byte {
	body := strings.Join(parts, "")
	m := binary.BigEndian.AppendUint32([]byte{typ}, uint32(4+len(body)))
	return append(m, body...)
}

// words splits s at spaces outside of parentheses.
func words(s string) []string {
	var out []string
	depth, start := 0, 0
	for i, r := range s + " " {
		switch {
		case r == '(':
			depth++
		case r == ')':
			depth--
		case r == ' ' && depth == 0:
			if i > start {
				out = append(out, s[start:i])
			}
			start = i + 1
		}
	}
	return out
}

func argument(word string) (name, arg string) {
	name, arg, _ = strings.Cut(word, "(")
	return name, strings.TrimSuffix(arg, ")")
}

func fromClient(script string) (stream []byte) {
	for _, word := range words(script) {
		stream = append(stream, clientMessage(argument(word))...)
	}
	return stream
}

func clientMessage(name, arg string) []byte {
	switch name {
	case "P":
		statement, text, _ := strings.Cut(arg, ",")
		return message('P', statement, "\x00", text, "\x00\x00\x00")
	case "B":
		return message('B', "\x00", arg, "\x00\x00\x00\x00\x00\x00\x00")
	case "D", "C":
		return message(name[0], "S", arg, "\x00")
	case "DP", "CP":
		return message(name[0], "P\x00")
	case "E":
		rows := byte(0)
		if arg != "" {
			rows = arg[0] - '0'
		}
		return message('E', "\x00\x00\x00\x00", string(rows))
	case "Q", "f":
		return message(name[0], arg, "\x00")
	case "L": // lo_open()
		return message('F', "\x00\x00\x03\xb8\x00\x00\x00\x00\x00\x00")
	case "F": // pg_backend_pid()
		return message('F', "\x00\x00\x07\xea\x00\x00\x00\x00\x00\x00")
	default:
		return message(name[0], arg)
	}
}

func fromServer(script string) (stream []byte) {
	for _, word := range words(script) {
		switch name, arg := argument(word); name {
		case "E":
			severity, code, found := strings.Cut(arg, " ")
			if !found {
				severity, code = "ERROR", arg
			}
			stream = (&pgwire.Error{Severity: severity, Code: code, Message: "failed"}).Append(stream)
		case "C":
			stream = append(stream, message('C', arg, "\x00")...)
		case "N":
			stream = pgwire.AppendNotice(stream, &pgwire.Error{Code: "00000"})
		case "S":
			name, value, _ := strings.Cut(arg, "=")
			stream = pgwire.AppendParameterStatus(stream, name, value)
		case "R": // a row of an inspection: name=value, or a reason to pin
			stream = append(stream, row(arg)...)
		default:
			stream = append(stream, message(name[0], arg)...)
		}
	}
	return stream
}

// written is the inverse of fromClient and fromServer.
func written(d pgwire.Direction, stream []byte) string {
	scanner := pgwire.Scanner{Direction: d}
	var out []string
	for len(stream) > 0 {
		span, err := scanner.Next(stream)
		if err != nil || !span.Whole() {
			return fmt.Sprintf("%v and the malformed %q", out, stream)
		}
		body := span.Body(stream)
		if d == pgwire.FromServer {
			out = append(out, writtenAnswer(span.Type, body))
		} else {
			out = append(out, writtenRequest(span.Type, body))
		}
		stream = stream[span.Size:]
	}
	return strings.Join(out, " ")
}

func writtenRequest(typ byte, body []byte) string {
	fields := strings.Split(string(body), "\x00")
	switch typ {
	case 'P':
		return fmt.Sprintf("P(%s,%s)", fields[0], fields[1])
	case 'B':
		return fmt.Sprintf("B(%s)", fields[1])
	case 'D', 'C':
		if body[0] == 'P' {
			return string(typ) + "P"
		}
		return fmt.Sprintf("%c(%s)", typ, fields[0][1:])
	case 'Q':
		return "Q(" + abbreviated(fields[0]) + ")"
	case 'd', 'f':
		return fmt.Sprintf("%c(%s)", typ, fields[0])
	}
	return string(typ)
}

func writtenAnswer(typ byte, body []byte) string {
	switch typ {
	case 'E':
		e, _ := pgwire.DecodeErrorResponse(body)
		if string(e.Severity) != "ERROR" {
			return fmt.Sprintf("E(%s %s)", e.Severity, e.Code)
		}
		return fmt.Sprintf("E(%s)", e.Code)
	case 'C', 'Z', 'd':
		return fmt.Sprintf("%c(%s)", typ, strings.TrimRight(string(body), "\x00"))
	case 'S':
		p, _ := pgwire.DecodeParameterStatus(body)
		return fmt.Sprintf("S(%s=%s)", p.Name, p.Value)
	}
	return string(typ)
}

// defined has what the tests' database defines.
var defined = []routines.Definition{{Kind: "relation", Name: "t"}}

// row is one of an inspection's answer, name=value, or of a scan's, kind:name=text.
func row(arg string) []byte {
	column := func(s string) string { return string(binary.BigEndian.AppendUint32(nil, uint32(len(s)))) + s }
	name, value, isSetting := strings.Cut(arg, "=")
	if kind, name, ok := strings.Cut(name, ":"); ok {
		return message('D', "\x00\x03", column(kind), column(name), column(value))
	}
	if arg[0] >= '0' && arg[0] <= '9' {
		return message('D', "\x00\x03\xff\xff\xff\xff\xff\xff\xff\xff", column(arg))
	}
	if !isSetting {
		return message('D', "\x00\x02\xff\xff\xff\xff", column(name))
	}
	return message('D', "\x00\x02", column(name), column(value))
}

// abbreviated returns a query, with internal queries abbreviated.
func abbreviated(text string) string {
	text = strings.TrimPrefix(text, notDeferrable)
	var what []string
	inspectable := 1 // the settings
	for _, e := range evidence {
		if e.impact != routines.Hides {
			inspectable++
		}
		if e.impact != routines.Hides && strings.Contains(text, "SELECT NULL, '"+e.pin+"' WHERE") || e.pin == "PREPARE" && strings.Contains(text, "'"+noteLost+"'") {
			what = append(what, e.pin)
		}
	}
	if strings.Contains(text, "pg_catalog.pg_show_all_settings") {
		what = append(what, "settings")
		if len(what) == inspectable { // all but what only hidden text may do
			what = []string{"everything"}
		}
	}
	isEverything := slices.Equal(what, []string{"everything"})
	if strings.Contains(text, "'"+pinConnection+"' WHERE") {
		what = append(what, "hidden")
	}
	if strings.Contains(text, "'"+noteLost+"'") && !isEverything {
		what = append(what, "lost")
	}
	if what != nil {
		if _, names, ok := strings.Cut(text, "unnest(ARRAY[ E'"); ok {
			names, _, _ = strings.Cut(names, "']")
			what = append(what, strings.Split(names, "', E'")...)
		}
	}
	if strings.HasPrefix(text, resetSQL) {
		return "reset"
	}
	switch scan, _ := new(routines.Catalog).Query(); {
	case text == strings.TrimPrefix(scan, notDeferrable):
		return "scan"
	case strings.Contains(text, "string_agg"):
		return "check"
	}
	if what != nil {
		return "inspect " + strings.Join(what, ", ")
	}
	return strings.NewReplacer("pg_catalog.set_config", "set_config", " E'", "'").Replace(text)
}
