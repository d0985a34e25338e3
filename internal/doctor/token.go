package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/workspace"
)

// shortest is the least that the service gives a token.
const shortest = 5 * time.Minute

// checkToken mints a token and looks at it, without showing it.
func checkToken(ctx context.Context, v *visit) finding {
	ctx, cancel := v.within(ctx)
	defer cancel()
	token, err := v.steps.Mint(ctx)
	if err != nil {
		return v.notMinted(err)
	}
	v.options.Secrets.Add(token.Secret)
	c := claimsOf(token.Secret)
	v.subject, v.lifetime = cmp.Or(c.Subject, c.ClientID), token.Lifetime
	details := []Detail{{Name: "lifetime", Value: rounded(token.Lifetime).String()}}
	if v.subject != "" {
		details = append(details, Detail{Name: "identity", Value: v.subject})
	}
	details = append(details, Detail{Name: "role", Value: v.user()}, v.clockDetail())
	f := found(details, "minted, good for %s", rounded(token.Lifetime))
	if v.subject != "" {
		f.summary += ", for " + v.subject
	}
	if v.subject != "" && v.subject != v.user() && slices.Contains(v.groups, v.user()) {
		f.summary += " as the group " + v.user()
	}
	return v.judgeToken(f)
}

func (v *visit) judgeToken(f finding) finding {
	if skew, wrong := v.skewed(); wrong {
		side := "ahead of"
		if skew < 0 {
			side = "behind"
		}
		f = f.warn(fmt.Sprintf("this machine's clock is %s %s the workspace's", rounded(skew.Abs()), side), advice{
			meaning: "tokens are refreshed in time all the same, since their age is corrected for it; certificates and other programs are not",
			action:  setClock(), command: setClockCommand(),
		})
	}
	if v.lifetime < shortest {
		a := advice{
			meaning: "every connection that is opened later than that needs another one, so the workspace must answer that often",
			action:  "ask for longer ones",
		}
		if v.variable("token_ttl") == "" && v.setting("token_ttl").Source == "default" {
			a.action = "have the workspace's admin see why its tokens are that short"
		}
		f = f.warn(fmt.Sprintf("the token lives %s only", rounded(v.lifetime)), a)
	}
	return f
}

func (v *visit) clockDetail() Detail {
	skew, known := v.steps.Workspace.Skew()
	if !known {
		return Detail{Name: "clock", Value: "the workspace does not tell its time"}
	}
	return Detail{Name: "clock", Value: fmt.Sprintf("%s off the workspace's", skew.Abs().Round(time.Second))}
}

// notMinted explains a refused credential.
func (v *visit) notMinted(err error) finding {
	var e *lakebase.Error
	if !errors.As(err, &e) {
		return fail(err, err.Error(), advice{})
	}
	var call *workspace.Error
	if !errors.As(err, &call) {
		call = &workspace.Error{}
	}
	summary, a := v.workspaceProblem(err)
	switch e.Kind {
	case lakebase.KindNotFound:
		summary = "the credentials API does not know " + v.targetName()
		a = advice{
			meaning: "the target was there a moment ago: it was deleted, or became a project under another name",
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
		a.meaning = call.Message
	}
	return fail(err, summary, a)
}
