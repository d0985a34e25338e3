package walls_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// wire is a connection of a client, driven by single messages.
type wire struct {
	raw        net.Conn
	front      *pgproto3.Frontend
	pid        uint32            // announced at login
	status     byte              // of the last ReadyForQuery
	gone       bool              // the connection has ended
	parameters map[string]string // reported by the server
	looked     reply             // of the settings and the aspects, if its client only looks
	lists      bool              // it reads the rows of SHOW ALL
}

// login logs in without a password. The transcript has the error, if that fails.
func login(ctx context.Context, socket string, startup map[string]string, limit time.Duration) (*wire, reply, error) {
	var d net.Dialer
	raw, err := d.DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, nil, err
	}
	w := &wire{raw: raw, front: pgproto3.NewFrontend(raw, raw), parameters: map[string]string{}}
	w.front.Send(&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersion30, Parameters: startup})
	said, err := w.exchange(1, limit)
	return w, said, err
}

// send queues messages.
func (w *wire) send(messages []pgproto3.FrontendMessage) {
	for _, m := range messages {
		w.front.Send(m)
	}
}

// renew reports whether the session can stand for a new one. If its client has done
// more than to look, it is made like one, as far as DISCARD ALL does that.
func (w *wire) renew(acted bool) bool {
	if w.gone || !acted {
		return !w.gone && w.status == 'I'
	}
	n := 1
	if w.status != 'I' {
		n = 2
		w.send(query("ROLLBACK"))
	}
	w.send(query("DISCARD ALL"))
	said, err := w.exchange(n, stepTimeout)
	return err == nil && w.status == 'I' && slices.Contains(said, "DISCARD ALL")
}

// exchange sends what has been queued, and reads up to the n-th ReadyForQuery or
// the end of the connection. An error is one of the harness: a reply that does not
// come in time.
func (w *wire) exchange(n int, limit time.Duration) (reply, error) {
	var said reply
	if w.gone {
		return reply{closed}, nil
	}
	if err := w.raw.SetDeadline(time.Now().Add(limit)); err != nil {
		return nil, err
	}
	_ = w.front.Flush() // the reply shows why the connection has ended
	for n > 0 {
		m, err := w.front.Receive()
		var timeout net.Error
		switch {
		case errors.As(err, &timeout) && timeout.Timeout():
			w.close()
			return append(said, noReply), fmt.Errorf("no reply in %s", limit)
		case err != nil:
			w.close()
			return append(said, closed), nil
		}
		line, ready := w.read(m)
		if line != "" {
			said = append(said, temporarySchema.ReplaceAllLiteralString(line, "pg_temp"))
		}
		if ready {
			n--
		}
	}
	return said, nil
}

// temporarySchema matches the schema that pg_temp is an alias of, whose number
// differs from session to session.
var temporarySchema = regexp.MustCompile(`pg_temp_\d+`)

// The last lines of a reply that did not come.
const (
	closed  = "connection closed"
	noReply = "NO REPLY"
)

// read returns the line of a transcript that describes a message. The line has
// nothing that differs between two servers: no process ID, no object ID.
func (w *wire) read(m pgproto3.BackendMessage) (line string, ready bool) {
	switch m := m.(type) {
	case *pgproto3.ReadyForQuery:
		w.status = m.TxStatus
		return "ready " + string(m.TxStatus), true
	case *pgproto3.BackendKeyData:
		w.pid = m.ProcessID
	case *pgproto3.ParameterStatus:
		w.parameters[m.Name] = m.Value
	case *pgproto3.RowDescription:
		w.lists = len(m.Fields) == 3 && string(m.Fields[2].Name) == "description"
		var columns []string
		for _, f := range m.Fields {
			columns = append(columns, string(f.Name)+" "+typeName(f.DataTypeOID))
		}
		return "columns " + strings.Join(columns, ", "), false
	case *pgproto3.DataRow:
		if w.lists {
			return settingLine(m.Values[0], m.Values[1]), false
		}
		values := make([]string, len(m.Values))
		for i, v := range m.Values {
			values[i] = value(v)
		}
		return "row " + strings.Join(values, " | "), false
	case *pgproto3.CommandComplete:
		return string(m.CommandTag), false
	case *pgproto3.ErrorResponse:
		return fmt.Sprintf("%s %s %s", m.Severity, m.Code, oids.ReplaceAllString(m.Message, "OID n")), false
	case *pgproto3.NoticeResponse:
		return fmt.Sprintf("%s %s %s", m.Severity, m.Code, m.Message), false
	case *pgproto3.NotificationResponse:
		from := "another"
		if m.PID == w.pid {
			from = "itself"
		}
		return fmt.Sprintf("notification %s %q from %s", m.Channel, m.Payload, from), false
	case *pgproto3.FunctionCallResponse:
		return "result " + value(m.Result), false
	case *pgproto3.ParameterDescription:
		return fmt.Sprintf("%d parameters", len(m.ParameterOIDs)), false
	case *pgproto3.CopyInResponse:
		w.front.Send(&pgproto3.CopyFail{Message: "no data"})
		_ = w.front.Flush()
		return "copy in", false
	case *pgproto3.CopyData:
		return "data " + string(bytes.TrimSpace(m.Data)), false
	case *pgproto3.AuthenticationOk:
	default:
		return strings.TrimPrefix(fmt.Sprintf("%T", m), "*pgproto3."), false
	}
	return "", false
}

// settingLine describes a row of SHOW ALL.
func settingLine(name, setting []byte) string {
	if value, ok := dull[string(name)]; ok && (value == anyValue || value == string(setting)) {
		return ""
	}
	return "setting " + string(name) + "=" + string(setting)
}

// dull are the settings that show nothing of a session: those that none can change, and
// the defaults of libraries, which list their settings once a function has loaded them.
var dull map[string]string

const anyValue = "any"

// typeName tells types apart that every database has.
func typeName(oid uint32) string {
	if oid >= firstUserOID {
		return "user's"
	}
	return strconv.Itoa(int(oid))
}

// firstUserOID is the first of those that a database's own objects have.
const firstUserOID = 16384

func value(v []byte) string {
	if v == nil {
		return null
	}
	return string(v)
}

const null = "NULL"

// reported returns the parameters that the server has reported, as lines.
func (w *wire) reported() (lines []string) {
	for _, name := range slices.Sorted(maps.Keys(w.parameters)) {
		lines = append(lines, "reported "+name+"="+w.parameters[name])
	}
	return lines
}

// leave ends the session and waits until the server has ended it, too.
func (w *wire) leave(limit time.Duration) {
	if !w.gone {
		_ = w.raw.SetDeadline(time.Now().Add(limit))
		w.front.Send(&pgproto3.Terminate{})
		_ = w.front.Flush()
		_, _ = io.Copy(io.Discard, w.raw)
	}
	w.close()
}

func (w *wire) close() {
	w.gone, w.status = true, 0
	_ = w.raw.Close()
}

// reply is the transcript of what a server answers, a line per message.
type reply []string

// query is a simple Query message.
func query(text string) []pgproto3.FrontendMessage {
	return []pgproto3.FrontendMessage{&pgproto3.Query{String: text}}
}

// extended runs a text by the extended protocol, up to its Sync. name is that of
// the statement, which stays.
func extended(name, text string) []pgproto3.FrontendMessage {
	return append(unsynced(name, text), &pgproto3.Sync{})
}

func unsynced(name, text string) []pgproto3.FrontendMessage {
	return []pgproto3.FrontendMessage{
		&pgproto3.Parse{Name: name, Query: text},
		&pgproto3.Bind{PreparedStatement: name},
		&pgproto3.Describe{ObjectType: 'P'},
		&pgproto3.Execute{},
	}
}

// pipeline runs texts by the extended protocol with one Sync.
func pipeline(texts []string) (all []pgproto3.FrontendMessage) {
	for _, text := range texts {
		all = append(all, unsynced("", text)...)
	}
	return append(all, &pgproto3.Sync{})
}

// prepare prepares and describes a statement.
func prepare(name, text string) []pgproto3.FrontendMessage {
	return []pgproto3.FrontendMessage{
		&pgproto3.Parse{Name: name, Query: text},
		&pgproto3.Describe{ObjectType: 'S', Name: name},
		&pgproto3.Sync{},
	}
}

// execute runs a statement that has been prepared, without describing it again.
func execute(name string) []pgproto3.FrontendMessage {
	return []pgproto3.FrontendMessage{&pgproto3.Bind{PreparedStatement: name}, &pgproto3.Execute{}, &pgproto3.Sync{}}
}

// bind prepares the unnamed statement and leaves a portal of it, of which one row has
// been read.
func bind(name, text string) []pgproto3.FrontendMessage {
	return []pgproto3.FrontendMessage{
		&pgproto3.Parse{Query: text},
		&pgproto3.Bind{DestinationPortal: name},
		&pgproto3.Execute{Portal: name, MaxRows: 1},
		&pgproto3.Sync{},
	}
}

// portal reads on from a portal.
func portal(name string) []pgproto3.FrontendMessage {
	return []pgproto3.FrontendMessage{&pgproto3.Execute{Portal: name, MaxRows: 1}, &pgproto3.Sync{}}
}

// functionCall calls a function by its object ID with arguments in text format.
func functionCall(oid uint32, arguments []string) []pgproto3.FrontendMessage {
	call := &pgproto3.FunctionCall{Function: oid}
	for _, a := range arguments {
		call.Arguments = append(call.Arguments, []byte(a))
	}
	return []pgproto3.FrontendMessage{call}
}

// replies is the number of ReadyForQuery that answer messages.
func replies(messages []pgproto3.FrontendMessage) (n int) {
	for _, m := range messages {
		switch m.(type) {
		case *pgproto3.Query, *pgproto3.Sync, *pgproto3.FunctionCall:
			n++
		}
	}
	return n
}

// oids are those of objects of the script, which differ between the two sides.
var oids = regexp.MustCompile(`OID \d{5,}`)
