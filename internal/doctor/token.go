package doctor

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/workspace"
)

// shortestLifetime is the shortest that the service gives a token.
const shortestLifetime = 5 * time.Minute

// checkToken mints a token and looks at it, without showing it.
func checkToken(ctx context.Context, v *visit) Result {
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
	r := found(details, "minted, valid for %s", rounded(token.Lifetime))
	if v.subject != "" {
		r.Summary += ", for " + v.subject
	}
	if v.isOthersRole() && slices.Contains(v.groups, v.user()) {
		r.Summary += " as the group " + v.user()
	}
	return v.judgeToken(r)
}

func (v *visit) judgeToken(r Result) Result {
	if skew, wrong := v.skew(); wrong {
		side := "ahead of"
		if skew < 0 {
			side = "behind"
		}
		r = r.warn(problem("this machine's clock is %s %s the workspace's", rounded(skew.Abs()), side).
			means("tokens are refreshed in time all the same, since their age is corrected for it; certificates and other programs are not").
			do(setClock()))
	}
	if v.lifetime < shortestLifetime {
		action := "ask for longer ones"
		if v.setting("token_ttl").Source == "default" {
			action = askForLongerTokens
		}
		r = r.warn(problem("the token is valid for %s only", rounded(v.lifetime)).
			means("every connection that is opened later needs another token, so the workspace must answer that often").
			do(action))
	}
	return r
}

func (v *visit) clockDetail() Detail {
	skew, known := v.steps.Workspace.Skew()
	if !known {
		return Detail{Name: "clock", Value: "the workspace's replies have no date"}
	}
	return Detail{Name: "clock", Value: fmt.Sprintf("%s off the workspace's", skew.Abs().Round(time.Second))}
}

// explainMint explains a token that was not minted.
func (v *visit) explainMint(err error) Result {
	p := v.explainCall(err, "mint a token for "+v.targetName())
	switch asError(err).Kind {
	case lakebase.KindNotFound:
		p = problem("the credentials API does not know %s", v.targetName()).
			means("the target existed a moment ago: it was deleted, or became a project under another name").
			do("look it up again", v.again())
	case lakebase.KindWorkspaceAuth:
		p.Meaning = "the login worked for other calls: the token may lack the scope postgres. Otherwise, " + p.Meaning
	case lakebase.KindBadConfig:
		p.Summary, p.Meaning = "the credentials API refuses the request", asCall(err).Message
	}
	return p.failed(err)
}
