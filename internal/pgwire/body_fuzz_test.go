package pgwire_test

import (
	"bytes"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/lakebase-go/lakebase/internal/pgwire"
)

// FuzzDecodeLosesNothing checks that the decoded fields encode to the same body
// again, and that pgproto3 decodes the same fields.
func FuzzDecodeLosesNothing(f *testing.F) {
	for _, m := range clientMessages() {
		f.Add(bodyOf(f, m))
	}
	for _, m := range serverMessages() {
		f.Add(bodyOf(f, m))
	}
	for _, r := range recordings(f) {
		for _, m := range parseWhole(pgwire.FromClient, r.client).messages {
			f.Add(m.Body)
		}
		for _, m := range parseWhole(pgwire.FromServer, r.server).messages {
			f.Add(m.Body)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		b = b[:len(b):len(b)] // an append must not find room behind it
		before := string(b)
		for _, check := range []func(*testing.T, []byte){
			checkParse, checkBind, checkObjects, checkTexts, checkReadyForQuery,
			checkParameterStatus, checkErrorResponse,
		} {
			check(t, b)
		}
		if string(b) != before {
			t.Fatalf("the body became %q", b)
		}
	})
}

// join returns the body that has these fields.
func join(fields ...[]byte) []byte { return bytes.Join(fields, nil) }

func terminated(s []byte) []byte { return append(bytes.Clone(s), 0) }

func same(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Fatalf("%s: got %q, want %q", what, got, want)
	}
}

func decodes(t *testing.T, m pgproto3.Message, b []byte) {
	t.Helper()
	if err := m.Decode(b); err != nil {
		t.Fatalf("%T: pgproto3 refuses %q: %v", m, b, err)
	}
}

func checkParse(t *testing.T, b []byte) {
	p, err := pgwire.DecodeParse(b)
	if err != nil {
		return
	}
	same(t, "Parse", join(terminated(p.Name), p.Rest), b)
	if !bytes.HasPrefix(p.Rest, terminated(p.Query)) {
		t.Fatalf("the rest of Parse, %q, does not begin with the query %q", p.Rest, p.Query)
	}
	same(t, "renamed Parse", p.AppendRenamed(nil, string(p.Name)), pgwire.Message{Type: 'P', Body: b}.Append(nil))
	var m pgproto3.Parse
	decodes(t, &m, b)
	if m.Name != string(p.Name) || m.Query != string(p.Query) {
		t.Fatalf("Parse: got %+v, want %+v", p, m)
	}
}

func checkBind(t *testing.T, b []byte) {
	got, err := pgwire.DecodeBind(b)
	var m pgproto3.Bind
	if m.Decode(b) == nil && (err != nil || m.DestinationPortal != string(got.Portal) || m.PreparedStatement != string(got.Statement)) {
		t.Fatalf("Bind: got %+v, %v; want %+v", got, err, m)
	}
	if err == nil {
		same(t, "Bind", join(terminated(got.Portal), terminated(got.Statement), got.Rest), b)
		same(t, "renamed Bind", got.AppendRenamed(nil, string(got.Statement)), pgwire.Message{Type: 'B', Body: b}.Append(nil))
	}
}

func checkObjects(t *testing.T, b []byte) {
	o, err := pgwire.DecodeDescribe(b)
	c, errClose := pgwire.DecodeClose(b)
	if (err == nil) != (errClose == nil) || o.Kind != c.Kind || string(o.Name) != string(c.Name) {
		t.Fatalf("Describe and Close differ: %+v, %v; %+v, %v", o, err, c, errClose)
	}
	if err != nil {
		return
	}
	same(t, "Describe", pgwire.AppendDescribe(nil, o.Kind, string(o.Name)), pgwire.Message{Type: 'D', Body: b}.Append(nil))
	same(t, "Close", pgwire.AppendClose(nil, o.Kind, string(o.Name)), pgwire.Message{Type: 'C', Body: b}.Append(nil))
	var m pgproto3.Describe
	decodes(t, &m, b)
	if m.ObjectType != byte(o.Kind) || m.Name != string(o.Name) {
		t.Fatalf("Describe: got %+v, want %+v", o, m)
	}
}

// checkTexts checks the messages that are one string.
func checkTexts(t *testing.T, b []byte) {
	wellFormed := bytes.IndexByte(b, 0) == len(b)-1 && len(b) > 0
	text, err := pgwire.DecodeQuery(b)
	tag, errTag := pgwire.DecodeCommandComplete(b)
	if (err == nil) != wellFormed || (errTag == nil) != wellFormed {
		t.Fatalf("%q: got errors %v and %v", b, err, errTag)
	}
	if wellFormed {
		same(t, "Query", pgwire.AppendQuery(nil, string(text)), pgwire.Message{Type: 'Q', Body: b}.Append(nil))
		same(t, "CommandComplete", terminated(tag), b)
	}
}

func checkReadyForQuery(t *testing.T, b []byte) {
	if s, err := pgwire.DecodeReadyForQuery(b); err == nil {
		same(t, "ReadyForQuery", pgwire.AppendReadyForQuery(nil, s), pgwire.Message{Type: 'Z', Body: b}.Append(nil))
	}
}

func checkParameterStatus(t *testing.T, b []byte) {
	if p, err := pgwire.DecodeParameterStatus(b); err == nil {
		same(t, "ParameterStatus", pgwire.AppendParameterStatus(nil, string(p.Name), string(p.Value)),
			pgwire.Message{Type: 'S', Body: b}.Append(nil))
	}
}

func checkErrorResponse(t *testing.T, b []byte) {
	e, err := pgwire.DecodeErrorResponse(b)
	if err != nil {
		return
	}
	var m pgproto3.ErrorResponse
	decodes(t, &m, b)
	severity := m.SeverityUnlocalized
	if severity == "" {
		severity = m.Severity
	}
	if string(e.Severity) != severity || string(e.Code) != m.Code || string(e.Message) != m.Message {
		t.Fatalf("ErrorResponse: got %q, want %+v", e, m)
	}
}
