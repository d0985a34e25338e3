package lakebase

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"regexp"
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

// No part of the text of an error comes twice, whatever its reason, kind and causes.
func TestNoErrorNamesACauseTwice(t *testing.T) {
	const host = "ep-a.database.eu-west-1.cloud.databricks.com"
	var all []error
	for _, d := range refusals {
		for _, text := range []string{d.message, strings.ToUpper(d.message), "The " + d.message + ".", "password authentication failed for user 'x'"} {
			reply := &pgconn.PgError{Severity: "FATAL", Code: "XX000", Message: text, Detail: text}
			all = append(all, &Error{Kind: d.kind, Resource: host, Message: d.message, Hint: d.hint, Err: reply},
				loginError(reply, host, "me", "db"))
		}
	}
	for _, kind := range allKinds(t) {
		inner := &Error{Kind: kind, Resource: host, Message: string(kind), Err: errors.New(string(kind))}
		all = append(all, inner, &Error{Kind: kind, Resource: host, Err: inner}, &Error{Kind: kind, Resource: "other", Message: string(kind), Err: inner},
			&Error{Kind: kind, Resource: host, Message: "gave up waiting", Err: fmt.Errorf("gave up waiting: %w", context.DeadlineExceeded)})
	}
	for _, status := range []int{0, 400, 401, 403, 404, 409, 429, 500, 503} {
		for _, message := range []string{"", "no answer", "this identity may not use it", "the workspace does not know it"} {
			all = append(all, workspaceError(&workspace.Error{Op: "GET /api/2.0/x", Status: status, Message: message, Err: io.ErrUnexpectedEOF}, "projects/p"))
		}
	}
	for _, err := range all {
		text := strings.ToLower(err.Error())
		seen := map[string]bool{}
		for part := range strings.SplitSeq(strings.TrimSuffix(text, "."), ": ") {
			part, _, _ = strings.Cut(part, " (sqlstate")
			part = strings.TrimSuffix(part, ".")
			if seen[part] || len(part) > 8 && strings.Count(text, part) > 1 {
				t.Errorf("%q comes twice: %s", part, text)
			}
			seen[part] = true
		}
	}
}

// Where the advice is to try again, a retry may succeed, which is exit code 4 of the
// commands.
func TestAdviceToTryAgainIsForWhatARetryMayMend(t *testing.T) {
	again := func(hint string) bool { return strings.Contains(hint, "try again") || strings.HasPrefix(hint, "wait:") }
	found := 0
	for reason, d := range refusals {
		err := &Error{Kind: d.kind, Hint: d.hint}
		if again(d.hint) {
			found++
			if !Retryable(err) {
				t.Errorf("refusal %d: %s", reason, d.hint)
			}
		}
	}
	for status := 400; status < 600; status++ {
		err := workspaceError(&workspace.Error{Status: status}, "x")
		if again(Hint(err)) {
			found++
			if !Retryable(err) {
				t.Errorf("%d: %s", status, Hint(err))
			}
		}
	}
	if found < 3 {
		t.Errorf("only %d advise it", found)
	}
}

// allKinds are the constants of type Kind in errors.go.
func allKinds(t *testing.T) (kinds []Kind) {
	t.Helper()
	text, err := os.ReadFile("errors.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^\tKind\w+ +Kind = "(.*)"$`).FindAllStringSubmatch(string(text), -1) {
		kinds = append(kinds, Kind(m[1]))
	}
	if len(kinds) < 13 {
		t.Fatalf("found only %q", kinds)
	}
	return kinds
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
