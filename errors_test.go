package lakebase

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lakebase-go/lakebase/internal/workspace"
)

func TestErrorTextRepeatsNothing(t *testing.T) {
	for want, e := range map[string]*Error{
		"lakebase: not found":                                {Kind: KindNotFound},
		"lakebase: x: not found":                             {Kind: KindNotFound, Resource: "x"},
		"lakebase: x: gone":                                  {Kind: KindNotFound, Resource: "x", Message: "gone"},
		"lakebase: x: gone: EOF":                             {Resource: "x", Message: "gone", Err: io.EOF},
		"lakebase: x: it is gone":                            {Resource: "x", Message: "it is gone", Err: errors.New("gone")},
		"lakebase: x: a b: c d e":                            {Resource: "x", Message: "a\n\tb", Err: errors.New("c\r\nd\x00e")},
		"lakebase: x: outer: inner: EOF":                     {Resource: "x", Message: "outer", Err: &Error{Resource: "x", Message: "inner", Err: io.EOF}},
		"lakebase: x: outer: y: inner":                       {Resource: "x", Message: "outer", Err: &Error{Resource: "y", Message: "inner"}},
		"lakebase: h: connect failed: ERROR: m (SQLSTATE c)": {Kind: KindConnectFailed, Resource: "h", Err: &pgconn.PgError{Severity: "ERROR", Message: "m", Code: "c"}},
	} {
		if got := e.Error(); got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
}

func TestErrorMatchesItsKindAndCauses(t *testing.T) {
	err := fmt.Errorf("query: %w", &Error{Kind: KindDNS, Err: &Error{Kind: KindUnavailable, Err: io.EOF}})
	for _, target := range []error{KindDNS, KindUnavailable, io.EOF} {
		if !errors.Is(err, target) {
			t.Errorf("is not %v", target)
		}
	}
	if errors.Is(err, KindNotFound) || errors.Is(io.EOF, KindDNS) {
		t.Error("is something else")
	}
	if kind := Kind(""); !errors.As(err, new(*Error)) || errors.As(io.EOF, &kind) {
		t.Error("As")
	}
}

func TestRetryableKinds(t *testing.T) {
	retry := map[Kind]bool{
		KindBadConfig: false, KindNotFound: false, KindPermissionDenied: false, KindWorkspaceUnreachable: true, KindWorkspaceAuth: false,
		KindTokenRejected: false, KindRoleMissing: false, KindUnavailable: true, KindDNS: true, KindTLS: false, KindTooManyConnections: true,
		KindPoolTimeout: true, KindConnectFailed: false,
	}
	for kind, want := range retry {
		if got := Retryable(fmt.Errorf("wrapped: %w", &Error{Kind: kind})); got != want {
			t.Errorf("%s: got %v, want %v", kind, got, want)
		}
		if kind.Error() != string(kind) || (&Error{Kind: kind}).Error() != "lakebase: "+string(kind) {
			t.Errorf("%s is not what it says", kind)
		}
		if Retryable(&Error{Kind: kind, Err: context.Canceled}) {
			t.Errorf("%s: retryable after a cancellation", kind)
		}
	}
	// A time limit of ours that ran out is no end of the caller's context.
	if !Retryable(&Error{Kind: KindPoolTimeout, Err: context.DeadlineExceeded}) {
		t.Error("a pool timeout is not retryable")
	}
	if !Retryable(&Error{Kind: KindConnectFailed, Err: io.ErrUnexpectedEOF}) {
		t.Error("the cause of a failed login does not count")
	}
}

func TestRetryableBare(t *testing.T) {
	for err, want := range map[error]bool{
		nil:                                   false,
		io.EOF:                                false,
		context.Canceled:                      false,
		context.DeadlineExceeded:              false,
		errors.Join(io.EOF, context.Canceled): false,
		io.ErrUnexpectedEOF:                   true,
		error(&pgconn.PgError{Code: "40001"}): true,
		error(&pgconn.PgError{Code: "40P01"}): true,
		error(&pgconn.PgError{Code: "57P02"}): true,
		error(&pgconn.PgError{Code: "08003"}): true,
		error(&pgconn.PgError{Code: "23505"}): false,
		error(&pgconn.PgError{Code: "57014"}): false,
	} {
		if got := Retryable(err); got != want {
			t.Errorf("%v: got %v, want %v", err, got, want)
		}
	}
}

func TestHintIsFoundInTheChain(t *testing.T) {
	for want, err := range map[string]error{
		"":                errors.New("x"),
		"outer":           &Error{Hint: "outer", Err: &Error{Hint: "inner"}},
		"inner":           &Error{Err: fmt.Errorf("wrapped: %w", &Error{Hint: "inner"})},
		noCredentialsHint: fmt.Errorf("wrapped: %w", &workspace.Error{Auth: true, Code: "UNAUTHENTICATED", Message: "default auth: cannot configure default credentials"}),
		"the server is starting, waking or failing over: try again in a moment; if it stays so, check the instance's state in the workspace": &Error{Kind: KindUnavailable, Err: &pgconn.PgError{Code: "57P03"}},
	} {
		if got := Hint(err); got != want {
			t.Errorf("%v: got %q, want %q", err, got, want)
		}
	}
	if _, err := net.Listen("tcp", "127.0.0.1:65536"); strings.Contains(Hint(err), "firewall") {
		t.Errorf("%v: %q is about connections", err, Hint(err))
	}
	for _, status := range []int{404, 409} { // what is missing is for the caller to say; 409 has no advice
		if got := Hint(&workspace.Error{Status: status}); got != "" {
			t.Errorf("%d: %q", status, got)
		}
	}
	if Hint(nil) != "" {
		t.Error("a hint for no error")
	}
}
