package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/shellword"
	"github.com/lakebase-go/lakebase/internal/workspace"
)

// checkWorkspace logs in to the workspace and asks for the caller's identity.
func checkWorkspace(ctx context.Context, v *visit) Result {
	limited, cancel := v.within(ctx)
	defer cancel()
	client := v.steps.Workspace
	me, err := client.Identity(limited)
	v.workspaceURL = cmp.Or(client.Host(), v.setting("databricks.host").Value)
	details := v.settingDetails("databricks.")
	if err != nil {
		return v.explainIdentity(ctx, err, details)
	}
	v.identity, v.groups = me.Name, me.Groups
	details = append(details, Detail{Name: "identity", Value: me.Name}, Detail{Name: "kind", Value: string(identityKind(me.Name))})
	if len(me.Groups) > 0 {
		details = append(details, Detail{Name: "groups", Value: strings.Join(me.Groups, ", ")})
	}
	return found(details, "%s at %s", me.Name, v.workspaceURL)
}

// explainIdentity explains a failed call for the caller's identity.
func (v *visit) explainIdentity(ctx context.Context, err error, details []Detail) Result {
	explained := v.steps.Explain(err, "workspace identity")
	notFound := errors.Is(explained, lakebase.KindNotFound)
	if v.steps.User != "" && refusedCall(err) && (notFound || errors.Is(explained, lakebase.KindPermissionDenied)) {
		// The library asks only where no role is configured.
		return found(details, "%s does not identify the caller", v.workspaceURL).
			warn(problem("the workspace does not identify the caller").
				means("this identity may not call the API for it; the role is configured, so that logins do not need it").
				do("nothing, unless a later check fails"))
	}
	p := v.explainCall(explained, "use it")
	if notFound {
		p = problem("%s answers, but is not a workspace", v.workspaceURL).
			means("it does not know the call that every workspace answers").do(v.correctWorkspace())
	} else if host := v.unresolvedHost(ctx, err); host != "" {
		p = problem("the workspace's name %s does not resolve", host).
			means("the name servers of this machine did not answer in %s", v.timeout).
			do("check the network and the workspace's address: "+v.loginSource("host"), v.again())
	}
	return p.failed(explained, details...)
}

// unresolvedHost returns the workspace's name if a call had no answer in time
// because that has no address, which the call's error does not say. Where a
// proxy looks the name up, it is "".
func (v *visit) unresolvedHost(ctx context.Context, err error) string {
	req, badURL := http.NewRequest(http.MethodGet, v.workspaceURL, nil)
	if badURL != nil || !errors.Is(err, context.DeadlineExceeded) {
		return ""
	}
	host := req.URL.Hostname()
	if proxy, err := http.ProxyFromEnvironment(req); host == "" || err != nil || proxy != nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, v.timeout/2)
	defer cancel()
	if _, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host); err != nil {
		return host
	}
	return ""
}

// explainCall explains a call to the workspace that failed, whatever it was
// about. use is what the identity wanted to do.
func (v *visit) explainCall(err error, use string) Result {
	e, call := asError(err), asCall(err)
	switch e.Kind {
	case lakebase.KindWorkspaceUnreachable:
		return v.explainUnreachable(call, err)
	case lakebase.KindWorkspaceAuth:
		return v.explainLogin(e, call)
	case lakebase.KindPermissionDenied:
		return v.explainForbidden(call, use)
	}
	return problem("%s", cmp.Or(e.Message, err.Error()))
}

// asCall returns the failed call in err's chain, or an empty one.
func asCall(err error) *workspace.Error {
	if call := (*workspace.Error)(nil); errors.As(err, &call) {
		return call
	}
	return &workspace.Error{}
}

// explainUnreachable explains a workspace that did not answer, or answered
// with an error of its own.
func (v *visit) explainUnreachable(call *workspace.Error, err error) Result {
	var dns *net.DNSError
	text := strings.ToLower(err.Error())
	switch {
	case call.Status == http.StatusTooManyRequests:
		return problem("the workspace is limiting requests (429)").
			means("there were too many calls in the last minutes; tokens that were minted before still work").
			do("wait a minute, and look for a program that mints a token for every connection", v.again())
	case call.Status >= 500:
		return problem("the workspace reports an error of its own (%d)", call.Status).
			means("it was reached and could not process the request; the cause is not on this machine").
			do("try again later; the service's status page says more", v.again())
	case call.Status != 0:
		return problem("the server that answers is not a workspace").
			means("the reply is not a workspace's: a proxy or login page in between, or another server").
			do(v.correctWorkspace())
	case errors.As(err, &dns):
		return problem("the workspace's name %s does not resolve", dns.Name).
			means("no name server knows it: a typing error, or a name of a private network").
			do(v.correctWorkspace())
	case strings.Contains(text, "x509") || strings.Contains(text, "tls:"):
		return problem("the workspace's certificate is not trusted here").
			means("something in between intercepts TLS, or the certificate's authority is not installed").
			do("name a file with that authority's certificate", "export SSL_CERT_FILE=/path/to/ca.pem")
	}
	command := ""
	if v.workspaceURL != "" {
		command = "curl -sS -o /dev/null -w '%{http_code}\\n' " + shellword.Of(v.workspaceURL)
	}
	return problem("the workspace does not answer").
		means("the connection was refused or cut, or there was no reply in %s", v.timeout).
		do("check the network to "+v.workspaceURL+", a proxy in HTTPS_PROXY included: "+v.loginSource("host"), command)
}

// explainLogin explains a workspace login that failed.
func (v *visit) explainLogin(e *lakebase.Error, call *workspace.Error) Result {
	text := strings.ToLower(call.Error())
	switch {
	case strings.Contains(text, "profile configured"), strings.Contains(text, "profile not found"):
		return problem("there is no profile %q", v.cfg.Profile).
			means("the configuration names a section that ~/.databrickscfg does not have").
			do("name one that it has", "databricks auth profiles")
	case call.Status == 0 && e.Message == "no credentials for a workspace":
		return problem("no credentials for a workspace").
			means("neither the environment nor ~/.databrickscfg has a workspace login").
			do("log in once; service principals set DATABRICKS_HOST, DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET",
				"databricks auth login --host https://WORKSPACE.cloud.databricks.com")
	}
	p := problem("the workspace does not accept the credentials").
		means("they have expired, were revoked, or belong to another workspace than %s", v.workspaceURL).
		do("log in again", "databricks auth login --host "+shellword.Of(v.workspaceURL))
	if call.Status != 0 {
		p.Summary += fmt.Sprintf(" (%d)", call.Status)
	}
	for _, name := range []string{"token", "client_secret"} {
		if v.setting("databricks."+name).Source == "" {
			continue
		}
		p.Action = "replace the " + strings.ReplaceAll(name, "_", " ") + ": " + v.loginSource(name)
		if unset := v.unset("databricks." + name); unset != "" {
			p.Command = unset + " && " + p.Command
		}
		break
	}
	return p
}

// explainForbidden explains a 403. Only its text distinguishes a network that
// the workspace does not allow from an identity that lacks a permission.
func (v *visit) explainForbidden(call *workspace.Error, use string) Result {
	switch text := strings.ToLower(call.Message); {
	case isPrivateLink(text):
		return problem("the workspace does not allow this network").
			means("it is behind PrivateLink: login and API work only from inside, and the database API needs Service-Direct set up too").
			do("run this inside the workspace's network, or have an admin set up Service-Direct for this one")
	case isAccessList(text):
		return problem("the workspace does not allow this machine's address").means("%s", call.Message).
			do("have a workspace admin add this machine's public address to the IP access list", "curl -sS https://checkip.amazonaws.com")
	}
	identity := cmp.Or(v.identity, "this identity")
	return problem("%s may not %s", identity, use).
		means("the login to the workspace worked; the permission for this resource is missing").
		do("have its owner grant " + identity + " \"Can use\"")
}

func isPrivateLink(text string) bool { return strings.Contains(text, "unauthorized network access") }

func isAccessList(text string) bool {
	return strings.Contains(text, "ip acl") || strings.Contains(text, "ip access list")
}

// refusedCall reports whether the workspace refused this call itself, rather
// than the login before it or the network.
func refusedCall(err error) bool {
	call := asCall(err)
	text := strings.ToLower(call.Message)
	return !call.Auth && call.Status != 0 && !isPrivateLink(text) && !isAccessList(text)
}
