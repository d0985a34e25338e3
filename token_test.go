package lakebase

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/lakebase-go/lakebase/internal/redact"
	"github.com/lakebase-go/lakebase/internal/tokencache"
)

const testSecret = "eyJhbGciOi.SECRET.signature"

func newTestToken(secret string, expiry time.Time) Token {
	return Token{tokencache.NewToken(secret, expiry)}
}

func TestTokenKeepsItsSecret(t *testing.T) {
	t.Parallel()
	expiry := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	tok := newTestToken(testSecret, expiry)
	if tok.Secret() != testSecret {
		t.Errorf("Secret() = %q", tok.Secret())
	}
	if !tok.Expiry().Equal(expiry) {
		t.Errorf("Expiry() = %v", tok.Expiry())
	}
	if zero := (Token{}); zero.Secret() != "" || !zero.Expiry().IsZero() || !newTestToken("s", time.Time{}).Expiry().IsZero() {
		t.Error("the zero Token has a secret or an expiry")
	}
}

func TestTokenPrintsRedacted(t *testing.T) {
	t.Parallel()
	tok := newTestToken(testSecret, time.Now())
	type exported struct {
		Name  string
		Token Token
	}
	type unexported struct {
		name  string
		token Token
	}
	type embedded struct{ Token }
	values := map[string]any{
		"value":             tok,
		"pointer":           &tok,
		"exported field":    exported{"n", tok},
		"pointer to struct": &exported{"n", tok},
		"unexported field":  unexported{"n", tok},
		"pointer to hidden": &unexported{"n", tok},
		"embedded":          embedded{tok},
		"slice":             []Token{tok},
		"slice of pointers": []*Token{&tok},
		"map":               map[string]Token{"k": tok},
		"any":               []any{tok, &tok, unexported{"n", tok}},
	}
	verbs := []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%t", "%c", "%p", "%10.3s", "%w"}
	for name, v := range values {
		for _, verb := range verbs {
			if out := fmt.Sprintf(verb, v); leaks(out) {
				t.Errorf("%s with %s: %s", name, verb, out)
			}
		}
	}
	for _, verb := range verbs {
		if verb == "%p" || verb == "%w" { // fmt asks no Formatter, and prints addresses
			continue
		}
		if out := fmt.Sprintf(verb, tok); out != redact.Placeholder {
			t.Errorf("%s prints %q", verb, out)
		}
	}
	if err := fmt.Errorf("failed with %v", tok); leaks(err.Error()) {
		t.Error(err)
	}
	if tok.String() != redact.Placeholder || tok.GoString() != redact.Placeholder {
		t.Error("String or GoString differ")
	}
}

// leaks reports whether out has the secret, as text or in hexadecimal.
func leaks(out string) bool {
	lower := strings.ToLower(strings.ReplaceAll(out, " ", ""))
	return strings.Contains(out, "SECRET") || strings.Contains(lower, fmt.Sprintf("%x", "SECRET"))
}

func TestTokenIsRedactedInLogs(t *testing.T) {
	t.Parallel()
	tok := newTestToken(testSecret, time.Now())
	type holder struct {
		Token  Token
		hidden Token
	}
	var buf bytes.Buffer
	for _, h := range []slog.Handler{slog.NewJSONHandler(&buf, nil), slog.NewTextHandler(&buf, nil)} {
		log := slog.New(h)
		log.Info("value", "token", tok)
		log.Info("pointer", "token", &tok)
		log.Info("struct", "holder", holder{tok, tok})
		log.Info("pointer to struct", "holder", &holder{tok, tok})
		log.Info("slice", "tokens", []Token{tok})
		log.Info("group", slog.Group("g", slog.Any("token", tok)))
		log.With("token", tok).Info("with")
	}
	if leaks(buf.String()) {
		t.Errorf("the log leaks:\n%s", buf.String())
	}
	if n := strings.Count(buf.String(), redact.Placeholder); n < 12 {
		t.Errorf("%d redactions:\n%s", n, buf.String())
	}
}

func TestTokenIsNotEncoded(t *testing.T) {
	t.Parallel()
	tok := newTestToken(testSecret, time.Now())
	type holder struct {
		Name  string
		Token Token
	}
	for _, v := range []any{tok, &tok, holder{"n", tok}, map[string]any{"t": tok}, []Token{tok}} {
		out, err := json.Marshal(v)
		if err != nil {
			t.Errorf("json of %T: %v", v, err)
		}
		if leaks(string(out)) || !strings.Contains(string(out), redact.Placeholder) {
			t.Errorf("json of %T: %s", v, out)
		}
	}
	for _, v := range []any{tok, &tok, holder{"n", tok}} {
		var buf bytes.Buffer
		if err := gob.NewEncoder(&buf).Encode(v); err == nil {
			t.Errorf("gob encodes %T", v)
		}
		if leaks(buf.String()) {
			t.Errorf("gob of %T leaks", v)
		}
	}
}
