package tokencache

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestNothingInTheCachePrintsItsSecret(t *testing.T) {
	t.Parallel()
	const secret = "SECRET"
	cred := Credential{Secret: secret, Lifetime: time.Hour}
	token := NewToken(secret, time.Now())
	type holder struct{ token *Token }
	for name, v := range map[string]any{
		"token":            token,
		"hidden token":     holder{token},
		"entry":            newEntry(cred, Instant{}, time.Hour, scheduledJitter, 0),
		"credential":       cred,
		"credential field": struct{ C Credential }{cred},
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%t", "%c", "%10.3s"} {
			out := fmt.Sprintf(verb, v)
			lower := strings.ToLower(strings.ReplaceAll(out, " ", ""))
			if strings.Contains(out, secret) || strings.Contains(lower, fmt.Sprintf("%x", secret)) {
				t.Errorf("%s with %s: %s", name, verb, out)
			}
		}
	}
}

func TestCredentialIsEncodedWithoutItsSecret(t *testing.T) {
	t.Parallel()
	cred := Credential{Secret: "SECRET", Lifetime: time.Hour}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("minted", "cred", cred)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("minted", "cred", &cred)
	j, err := json.Marshal(struct{ C *Credential }{&cred})
	if out := log.String() + string(j); err != nil || strings.Contains(out, "SECRET") || strings.Count(out, "[redacted]") != 3 {
		t.Errorf("%s, %v", out, err)
	}
}
