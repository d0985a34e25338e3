package pgwire_test

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/lakebase-go/lakebase/internal/pgwire"
)

func decodeReadyForQuery(b []byte) (any, error)   { return result(pgwire.DecodeReadyForQuery(b)) }
func decodeCommandComplete(b []byte) (any, error) { return result(pgwire.DecodeCommandComplete(b)) }
func decodeParameterStatus(b []byte) (any, error) { return result(pgwire.DecodeParameterStatus(b)) }
func decodeErrorResponse(b []byte) (any, error)   { return result(pgwire.DecodeErrorResponse(b)) }

func TestDecodeServerMessages(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		decode func(body []byte) (any, error)
		in     pgproto3.Message
		want   any
	}{
		"idle":                {decodeReadyForQuery, &pgproto3.ReadyForQuery{TxStatus: 'I'}, pgwire.TxIdle},
		"active":              {decodeReadyForQuery, &pgproto3.ReadyForQuery{TxStatus: 'T'}, pgwire.TxActive},
		"failed":              {decodeReadyForQuery, &pgproto3.ReadyForQuery{TxStatus: 'E'}, pgwire.TxFailed},
		"tag":                 {decodeCommandComplete, &pgproto3.CommandComplete{CommandTag: []byte("INSERT 0 1")}, []byte("INSERT 0 1")},
		"empty tag":           {decodeCommandComplete, &pgproto3.CommandComplete{}, []byte{}},
		"parameter":           {decodeParameterStatus, &pgproto3.ParameterStatus{Name: "a", Value: "b c"}, pgwire.ParameterStatus{Name: []byte("a"), Value: []byte("b c")}},
		"parameter set empty": {decodeParameterStatus, &pgproto3.ParameterStatus{Name: "a"}, pgwire.ParameterStatus{Name: []byte("a"), Value: []byte{}}},
		"error": {decodeErrorResponse,
			&pgproto3.ErrorResponse{Severity: "FEHLER", SeverityUnlocalized: "ERROR", Code: "42601", Message: "no", Hint: "yes", Line: 5},
			pgwire.ErrorResponse{Severity: []byte("ERROR"), Code: []byte("42601"), Message: []byte("no")}},
		"error without V": {decodeErrorResponse, &pgproto3.ErrorResponse{Severity: "FATAL", Code: "XX000", Message: "no"},
			pgwire.ErrorResponse{Severity: []byte("FATAL"), Code: []byte("XX000"), Message: []byte("no")}},
		"error without fields": {decodeErrorResponse, &pgproto3.ErrorResponse{}, pgwire.ErrorResponse{}},
		"notice": {decodeErrorResponse, &pgproto3.NoticeResponse{SeverityUnlocalized: "WARNING", Code: "25P01", Message: "none"},
			pgwire.ErrorResponse{Severity: []byte("WARNING"), Code: []byte("25P01"), Message: []byte("none")}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := c.decode(bodyOf(t, c.in))
			if err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %+v, %v; want %+v", got, err, c.want)
			}
		})
	}
}

func TestDecodeRefusesMalformedServerMessages(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		decode func(body []byte) (any, error)
		bodies []string
	}{
		{"ReadyForQuery", decodeReadyForQuery, []string{"", "i", "II", "\x00"}},
		{"CommandComplete", decodeCommandComplete, []string{"", "SELECT", "SELECT\x001\x00"}},
		{"ParameterStatus", decodeParameterStatus, []string{"", "a", "a\x00", "a\x00b", "a\x00b\x00c"}},
		{"ErrorResponse", decodeErrorResponse, []string{"", "S", "SERROR", "SERROR\x00", "SERROR\x00\x00\x00", "\x00\x00"}},
	} {
		for _, body := range c.bodies {
			checkMalformed(t, c.decode, body, "FATAL", fmt.Sprintf("malformed %s message from server", c.name))
		}
	}
}

func TestDirectionsHaveNames(t *testing.T) {
	t.Parallel()
	for got, want := range map[fmt.Stringer]string{
		pgwire.FromClient: "client", pgwire.FromServer: "server",
	} {
		if got.String() != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
