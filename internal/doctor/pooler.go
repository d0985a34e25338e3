package doctor

import (
	"context"
	"strings"
)

// checkPooler looks whether the host is the service's own pooler.
func checkPooler(_ context.Context, v *visit) finding {
	for _, s := range v.servers {
		label, domain, _ := strings.Cut(s.Host, ".")
		direct, pooled := strings.CutSuffix(label, "-pooler")
		if !pooled {
			continue
		}
		direct += "." + domain
		if v.isStatic() && formOf(v.steps.Password) == nativePassword {
			return found(nil, "%s is a pooler", s.Host).warn("the host is the service's pooler, in transaction mode", advice{
				meaning: "SET, LISTEN, advisory locks and named prepared statements do not outlive a transaction there",
				action:  "if the program needs those, use the direct host " + direct,
			})
		}
		return fail(badConfig(s.Host, "the pooler refuses OAuth tokens: use the direct host "+direct),
			"the host is the service's pooler, which refuses tokens", advice{
				meaning: "a host with -pooler takes native passwords only; every token ends in \"SASL authentication failed\"",
				action:  "use the direct host " + direct, command: "lakebase doctor " + direct,
			})
	}
	return found(nil, "the host is direct")
}
