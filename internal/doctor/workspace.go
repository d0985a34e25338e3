package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/shellword"
	"github.com/lakebase-go/lakebase/internal/spelling"
	"github.com/lakebase-go/lakebase/internal/steps"
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

// checkTarget looks the target up in the workspace, and waits while it is
// starting or failing over.
func checkTarget(ctx context.Context, v *visit) Result {
	var t steps.Target
	err := v.poll(ctx, "target", func() (starting bool, err error) {
		ctx, cancel := v.within(ctx)
		defer cancel()
		t, err = v.steps.Find(ctx)
		return err != nil && (t.State == workspace.Starting || t.State == workspace.FailingOver), err
	}, func() string {
		return fmt.Sprintf("%s is %s: waiting up to %s", t.Name(), t.State, v.options.WakeTimeout)
	})
	v.target = t
	if err != nil && !v.canDoWithout(err) {
		return v.explainTarget(ctx, err)
	}
	if t.Name() == "" {
		v.target.Instance, v.target.Endpoint = v.cfg.Instance, v.cfg.Endpoint
	}
	v.steps.Use(v.target, v.identity)
	v.steps.Database = cmp.Or(t.Database, v.steps.Database)
	v.servers = v.steps.Servers(t.Host)
	v.asleep = t.RawState == "IDLE"
	product := "instance"
	if v.target.Endpoint != "" {
		product = "endpoint"
	}
	r := found(v.targetDetails(), "%s %s is %s at %s", product, v.target.Name(), v.describeState(), t.Host)
	if err != nil {
		return r.warn(problem("the state of %s could not be read from the workspace", v.targetName()).
			means("the host is configured, so that logins do not need it: %s", err).
			do("nothing, unless a later check fails"))
	}
	if t.Named == "" || strings.EqualFold(strings.TrimSuffix(t.Named, "."), strings.TrimSuffix(t.Host, ".")) {
		return r
	}
	return r.warn(problem("the configured host is %s, but the workspace names %s", t.Host, t.Named).
		means("logins go to the configured host, which may belong to something else or be gone").
		do(v.letWorkspaceNameHost("")))
}

// canDoWithout reports whether logins do not need the lookup that failed,
// because name and host are configured.
func (v *visit) canDoWithout(err error) bool {
	complete := v.cfg.Instance != "" || strings.Count(v.cfg.Endpoint, "/") == 5
	return v.cfg.Host != "" && complete && (errors.Is(err, lakebase.KindWorkspaceUnreachable) || errors.Is(err, lakebase.KindPermissionDenied))
}

func (v *visit) describeState() string {
	if v.asleep {
		return "asleep (IDLE; logging in wakes it)"
	}
	return cmp.Or(v.target.RawState, "in an unknown state")
}

func (v *visit) targetDetails() []Detail {
	access := "read-write"
	if v.target.ReadOnly {
		access = "read-only"
	}
	details := []Detail{{Name: "name", Value: v.target.Name()}, {Name: "host", Value: v.target.Host}, {Name: "access", Value: access}}
	if v.target.RawState != "" {
		details = append(details, Detail{Name: "state", Value: v.target.RawState})
	}
	return details
}

// explainTarget explains a target that does not exist or cannot be used.
func (v *visit) explainTarget(ctx context.Context, err error) Result {
	e, t := asError(err), v.target
	p := problem("%s %s", t.Name(), e.Message)
	switch {
	case t.State == workspace.Stopped:
		return v.toStart(p).failed(err, v.targetDetails()...)
	case e.Kind == lakebase.KindUnavailable:
		p = p.means("it does not take logins until that is over").do("wait until it is", v.command("wait"))
		return p.failed(err, v.targetDetails()...)
	case t.State == workspace.Deleting:
		return p.means("it will be gone in a moment").do("name another").failed(err)
	case e.Kind == lakebase.KindNotFound:
		return v.missingTarget(ctx, e)
	}
	return v.explainCall(err, "use "+e.Resource).failed(err)
}

// missingTarget explains a name that leads nowhere, by the names that exist.
func (v *visit) missingTarget(ctx context.Context, e *lakebase.Error) Result {
	if !strings.Contains(e.Message, "does not know") && !strings.Contains(e.Message, "can see") {
		// It exists, but has no such host or child.
		return problem("%s %s", e.Resource, e.Message).means("the path leads to something that has not what is asked for").failed(e)
	}
	ctx, cancel := context.WithTimeout(ctx, v.timeout/2)
	defer cancel()
	p := problem("%s does not exist in this workspace", e.Resource).
		means("%s sees no instance or project of that name at %s", v.identity, v.workspaceURL).
		do("check the name: this identity sees nothing at all there, so it may be the wrong workspace")
	var details []Detail
	if visible := v.visibleTargets(ctx); len(visible) > 0 {
		p = p.do("name one of those that exist: "+strings.Join(visible[:min(len(visible), 5)], ", "), "lakebase targets")
		if near := spelling.Nearest(e.Resource, visible); near != "" {
			p = p.do("name it as it is spelt there: "+near, "lakebase doctor "+shellword.Of(near))
		}
		details = append(details, Detail{Name: "visible", Value: strings.Join(visible, ", ")})
	}
	if e.Resource == v.cfg.Host {
		p.Summary = "nothing that this identity can see has the host " + e.Resource
		p.Meaning = "a host alone names its target only if the identity may see that"
	}
	return p.failed(e, details...)
}

// visibleTargets lists what the identity can see; a failed call adds nothing.
func (v *visit) visibleTargets(ctx context.Context) []string {
	var names []string
	instances, _ := v.steps.Workspace.Instances(ctx)
	for _, i := range instances {
		names = append(names, i.Name)
	}
	projects, _ := v.steps.Workspace.Projects(ctx)
	for _, p := range projects {
		if !slices.Contains(names, strings.TrimPrefix(p.Name, "projects/")) {
			names = append(names, p.Name)
		}
	}
	return names
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

// explainUnreachable explains a workspace that did not answer, or with an error.
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
