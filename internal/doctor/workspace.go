package doctor

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/http"
	"strings"

	"github.com/lakebase-go/lakebase"
)

// checkWorkspace logs in to the workspace and asks for the caller's identity.
func checkWorkspace(ctx context.Context, v *visit) finding {
	ctx, cancel := v.within(ctx)
	defer cancel()
	host, resolves := lookUp(ctx, v.setting("databricks.host").Value)
	client := v.steps.Workspace
	me, err := client.Identity(ctx)
	if errors.Is(err, context.DeadlineExceeded) && !<-resolves {
		v.unresolved = host
	}
	v.workspaceURL = cmp.Or(client.Host(), v.setting("databricks.host").Value)
	var details []Detail
	for _, s := range v.settings {
		if strings.HasPrefix(s.Name, "databricks.") {
			details = append(details, Detail{Name: s.Name, Value: s.Value, Source: s.Source})
		}
	}
	if err != nil {
		return v.explainIdentity(err, details)
	}
	v.identity, v.groups = me.Name, me.Groups
	details = append(details, Detail{Name: "identity", Value: me.Name}, Detail{Name: "kind", Value: string(identityKind(me.Name))})
	if len(me.Groups) > 0 {
		details = append(details, Detail{Name: "groups", Value: strings.Join(me.Groups, ", ")})
	}
	return found(details, "%s at %s", me.Name, v.workspaceURL)
}

// explainIdentity explains a failed call for the caller's identity.
func (v *visit) explainIdentity(err error, details []Detail) finding {
	explained := v.steps.Explain(err, "workspace identity")
	notFound := errors.Is(explained, lakebase.KindNotFound)
	if v.steps.User != "" && refusedCall(err) && (notFound || errors.Is(explained, lakebase.KindPermissionDenied)) {
		// The library asks only where no role is configured.
		return found(details, "%s does not identify the caller", v.workspaceURL).warn(
			"the workspace does not identify the caller", advice{
				meaning: "this identity may not call the API for it; the role is configured, so that logins do not need it",
				action:  "nothing, unless a later check fails",
			})
	}
	summary, a := v.explainCall(explained)
	if notFound {
		summary = v.workspaceURL + " answers, but is not a workspace"
		a = v.correctWorkspace("it does not know the call that every workspace answers")
	}
	return fail(explained, summary, a, details...)
}

// lookUp resolves the host of address while a request to it runs: the request's
// error does not say whether the name or the server did not answer. Whether the
// host has an address, or a proxy looks it up, comes no later than the end of ctx.
func lookUp(ctx context.Context, address string) (host string, resolves <-chan bool) {
	found := make(chan bool, 1)
	if !strings.Contains(address, "://") {
		address = "https://" + address
	}
	req, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		found <- true
		return "", found
	}
	host = req.URL.Hostname()
	if proxy, err := http.ProxyFromEnvironment(req); host == "" || err != nil || proxy != nil {
		found <- true
		return host, found
	}
	go func() {
		_, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		found <- err == nil
	}()
	return host, found
}
