package doctor

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/workspace"
)

// shortestLifetime is the shortest that the service gives a token.
const shortestLifetime = 5 * time.Minute

// checkToken mints a token and looks at it, without showing it.
func checkToken(ctx context.Context, v *visit) finding {
	ctx, cancel := v.within(ctx)
	defer cancel()
	token, err := v.steps.Mint(ctx)
	if err != nil {
		return v.explainMint(err)
	}
	v.options.Secrets.Add(token.Secret)
	c := workspace.ClaimsOf(token.Secret)
	v.subject, v.lifetime = cmp.Or(c.Subject, c.ClientID), token.Lifetime
	details := []Detail{{Name: "lifetime", Value: rounded(token.Lifetime).String()}}
	if v.subject != "" {
		details = append(details, Detail{Name: "identity", Value: v.subject})
	}
	details = append(details, Detail{Name: "role", Value: v.user()}, v.clockDetail())
	f := found(details, "minted, valid for %s", rounded(token.Lifetime))
	if v.subject != "" {
		f.summary += ", for " + v.subject
	}
	if v.subject != "" && v.subject != v.user() && slices.Contains(v.groups, v.user()) {
		f.summary += " as the group " + v.user()
	}
	return v.judgeToken(f)
}

func (v *visit) judgeToken(f finding) finding {
	if skew, wrong := v.skew(); wrong {
		side := "ahead of"
		if skew < 0 {
			side = "behind"
		}
		f = f.warn(fmt.Sprintf("this machine's clock is %s %s the workspace's", rounded(skew.Abs()), side),
			setClock("tokens are refreshed in time all the same, since their age is corrected for it; certificates and other programs are not"))
	}
	if v.lifetime < shortestLifetime {
		a := advice{
			meaning: "every connection that is opened later needs another token, so the workspace must answer that often",
			action:  "ask for longer ones",
		}
		if v.setting("token_ttl").Source == "default" {
			a.action = askForLongerTokens
		}
		f = f.warn(fmt.Sprintf("the token is valid for %s only", rounded(v.lifetime)), a)
	}
	return f
}

func (v *visit) clockDetail() Detail {
	skew, known := v.steps.Workspace.Skew()
	if !known {
		return Detail{Name: "clock", Value: "the workspace's replies have no date"}
	}
	return Detail{Name: "clock", Value: fmt.Sprintf("%s off the workspace's", skew.Abs().Round(time.Second))}
}

// explainMint explains a token that was not minted.
func (v *visit) explainMint(err error) finding {
	summary, a := v.explainCall(err)
	switch asError(err).Kind {
	case lakebase.KindNotFound:
		summary = "the credentials API does not know " + v.targetName()
		a = advice{
			meaning: "the target existed a moment ago: it was deleted, or became a project under another name",
			action:  "look it up again", command: v.again(),
		}
	case lakebase.KindWorkspaceAuth:
		a.meaning = "the login worked for other calls: the token may lack the scope postgres. Otherwise, " + a.meaning
	case lakebase.KindPermissionDenied:
		if strings.HasSuffix(summary, "may not use it") {
			summary = strings.TrimSuffix(summary, "use it") + "mint a token for " + v.targetName()
		}
	case lakebase.KindBadConfig:
		summary = "the credentials API refuses the request"
		a.meaning = asCall(err).Message
	}
	return fail(err, summary, a)
}
