package tokencache

import (
	"fmt"
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
		"entry":            newEntry(cred, Instant{}, time.Hour, 0),
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
