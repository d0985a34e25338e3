package redact_test

import (
	"strings"
	"testing"

	"github.com/lakebase-go/lakebase/internal/redact"
)

func TestValueHidesWhatMayBeASecret(t *testing.T) {
	for given, want := range map[string]string{
		"":                                 "",
		"my-instance":                      "my-instance",
		"me@example.com":                   "me@example.com",
		"postgres://me:secret@h:1/db":      "postgres://***@h:1/db",
		"postgres://me:x/secret@h/db?a=b":  "postgres://***@h/db?…",
		"postgres://h:secret":              "postgres://h:***",
		"postgres://[::1]:1/db":            "postgres://[::1]:1/db",
		"me:secret://h":                    "***://h",
		"host=h password=secret":           "[redacted]",
		"host=h pass%77ord=secret":         "[redacted]",
		"me:secret@h":                      "***@h",
		"eyJhbGciOi.payload.signature":     "[redacted]",
		"dapi0123456789abcdef0123456789ab": "[redacted]",
	} {
		if got := redact.Value(given); got != want {
			t.Errorf("%q: got %q, want %q", given, got, want)
		}
	}
}

func TestQuoteShortensAndHides(t *testing.T) {
	if got := redact.Quote("postgres://me:secret@h"); got != `"postgres://***@h"` {
		t.Error(got)
	}
	if got := redact.Quote(strings.Repeat("ä", 100)); got != `"`+strings.Repeat("ä", 50)+`…"` {
		t.Error(got)
	}
}

func TestSecretNames(t *testing.T) {
	for name, want := range map[string]bool{"password": true, "sslpassword": true, "PGPASSFILE": true, "client_secret": true, "token": true, "user": false, "host": false} {
		if redact.SecretName(name) != want {
			t.Errorf("%s: %t", name, !want)
		}
	}
}

func TestTokensAreHiddenWithinText(t *testing.T) {
	for text, want := range map[string]string{
		"bearer eyJhbGciOi.eyJzdWIiOi.c2ln!":       "bearer [redacted]!",
		"dapi0123456789abcdef-2 and dose01234567.": "[redacted] and [redacted].",
		"no eyJ, no dapi, me@example.com":          "no eyJ, no dapi, me@example.com",
	} {
		if got := redact.Tokens(text); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}
