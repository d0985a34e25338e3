package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/shellword"
	"github.com/lakebase-go/lakebase/internal/workspace"
)

// checkWorkspace logs in to the workspace and asks who that is.
func checkWorkspace(ctx context.Context, v *visit) finding {
	ctx, cancel := v.within(ctx)
	defer cancel()
	hasAddress := lookUp(ctx, v.setting("databricks.host").Value)
	client := v.steps.Workspace
	me, err := client.Identity(ctx)
	v.nameless = errors.Is(err, context.DeadlineExceeded) && !<-hasAddress
	if v.workspaceURL, _ = client.Host(ctx); v.workspaceURL == "" { // what fails here has failed above
		v.workspaceURL = v.setting("databricks.host").Value
	}
	details := v.loginDetails()
	if err != nil {
		explained := v.steps.Explain(err, "workspace identity")
		if v.steps.User != "" && isKind(explained, lakebase.KindPermissionDenied, lakebase.KindNotFound) && answered(err) {
			// The library asks only where no role is configured.
			return found(details, "%s does not say who this is", v.workspaceURL).warn(
				"the workspace does not say who this is", advice{
					meaning: "this identity may not ask; the role is configured, so that logins do without",
					action:  "nothing, unless a later check fails",
				})
		}
		summary, a := v.workspaceProblem(explained)
		if isKind(explained, lakebase.KindNotFound) {
			summary = v.workspaceURL + " answers, but is no workspace"
			a = advice{
				meaning: "it does not know the call that every workspace answers",
				action:  "correct the workspace's address: " + v.loginSource("host"), command: correctHost(v),
			}
		}
		return fail(explained, summary, a, details...)
	}
	v.identity, v.groups = me.Name, me.Groups
	details = append(details, Detail{Name: "identity", Value: me.Name}, Detail{Name: "kind", Value: string(identityKind(me.Name))})
	if len(me.Groups) > 0 {
		details = append(details, Detail{Name: "groups", Value: strings.Join(me.Groups, ", ")})
	}
	return found(details, "%s at %s", me.Name, v.workspaceURL)
}

// loginDetails are the settings that the workspace login comes from.
func (v *visit) loginDetails() []Detail {
	var details []Detail
	for _, s := range v.settings {
		if strings.HasPrefix(s.Name, "databricks.") {
			details = append(details, Detail{Name: s.Name, Value: s.Value, Source: s.Source})
		}
	}
	return details
}

// loginSource says where a setting of the workspace login comes from.
func (v *visit) loginSource(name string) string {
	s := v.setting("databricks." + name)
	switch variable, isEnvironment := strings.CutPrefix(s.Source, "environment "); {
	case s.Source == "":
		return "nothing sets it"
	case isEnvironment:
		return variable + " sets it"
	}
	return "it comes from " + s.Source
}

// workspaceProblem explains a call to the workspace that failed, whatever it
// was about.
func (v *visit) workspaceProblem(err error) (summary string, a advice) {
	var e *lakebase.Error
	if !errors.As(err, &e) {
		return err.Error(), advice{}
	}
	var call *workspace.Error
	if !errors.As(err, &call) {
		call = &workspace.Error{}
	}
	switch e.Kind {
	case lakebase.KindWorkspaceUnreachable:
		return v.unreachable(call, err)
	case lakebase.KindWorkspaceAuth:
		return v.loginProblem(e, call)
	case lakebase.KindPermissionDenied:
		return v.forbidden(e, call)
	}
	return e.Message, advice{action: e.Hint}
}

// unreachable explains a workspace that did not answer, or with an error of
// its own.
func (v *visit) unreachable(call *workspace.Error, err error) (string, advice) {
	var dns *net.DNSError
	text := strings.ToLower(err.Error())
	switch {
	case call.Status == http.StatusTooManyRequests:
		return "the workspace is limiting requests (429)", advice{
			meaning: "there were too many calls of late; tokens that were minted before still work",
			action:  "wait a minute, and look for a program that mints a token for every connection", command: v.again(),
		}
	case call.Status >= 500:
		return fmt.Sprintf("the workspace has a problem of its own (%d)", call.Status), advice{
			meaning: "it was reached and did not manage to answer; nothing here causes that",
			action:  "try again later; the service's status page says more", command: v.again(),
		}
	case call.Status != 0:
		return "what answers is no workspace", advice{
			meaning: "the reply is not what a workspace sends: a proxy or login page in between, or another server",
			action:  "correct the workspace's address: " + v.loginSource("host"), command: correctHost(v),
		}
	case errors.As(err, &dns):
		return fmt.Sprintf("the workspace's name %s does not resolve", dns.Name), advice{
			meaning: "no name server knows it: a typing error, or a name of a private network",
			action:  "correct the workspace's address: " + v.loginSource("host"), command: correctHost(v),
		}
	case v.nameless:
		return fmt.Sprintf("the workspace's name %s does not resolve", hostOf(v.workspaceURL)), advice{
			meaning: "the name servers of this machine do not answer: nothing came back in " + v.options.Timeout.String(),
			action:  "check the network and the workspace's address: " + v.loginSource("host"), command: v.again(),
		}
	case strings.Contains(text, "x509") || strings.Contains(text, "tls:"):
		return "the workspace's certificate is not trusted here", advice{
			meaning: "something in between intercepts TLS, or the certificate's authority is not installed",
			action:  "name a file with that authority's certificate", command: "export SSL_CERT_FILE=/path/to/ca.pem",
		}
	}
	return "the workspace does not answer", advice{
		meaning: "the connection was refused or cut, or nothing came back in " + v.options.Timeout.String(),
		action:  "check the network to " + v.workspaceURL + ", a proxy in HTTPS_PROXY included: " + v.loginSource("host"),
		command: curl(v.workspaceURL),
	}
}

// lookUp looks the name in address up beside a request that may wait for no more
// than that: it does not say itself. The result, which comes no later than the
// end of ctx, is whether there is an address, or whether a proxy is asked for it.
func lookUp(ctx context.Context, address string) <-chan bool {
	found := make(chan bool, 1)
	if !strings.Contains(address, "://") {
		address = "https://" + address
	}
	req, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil || req.URL.Hostname() == "" || isProxied(req) {
		found <- true
		return found
	}
	go func() {
		_, err := net.DefaultResolver.LookupNetIP(ctx, "ip", req.URL.Hostname())
		found <- err == nil
	}()
	return found
}

func isProxied(req *http.Request) bool {
	proxy, err := http.ProxyFromEnvironment(req)
	return err != nil || proxy != nil
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

func curl(url string) string {
	if url == "" {
		return ""
	}
	return "curl -sS -o /dev/null -w '%{http_code}\\n' " + shellword.Of(url)
}

func correctHost(v *visit) string {
	if profile, ok := strings.CutPrefix(v.setting("databricks.host").Source, "profile "); ok {
		return "databricks auth login --profile " + shellword.Of(profile)
	}
	return "export DATABRICKS_HOST=https://WORKSPACE.cloud.databricks.com"
}

// loginProblem explains a workspace login that failed.
func (v *visit) loginProblem(e *lakebase.Error, call *workspace.Error) (string, advice) {
	text := strings.ToLower(call.Error())
	switch {
	case strings.Contains(text, "profile configured"), strings.Contains(text, "profile not found"):
		return fmt.Sprintf("there is no profile %q", v.cfg.Profile), advice{
			meaning: "the configuration names a section that ~/.databrickscfg does not have",
			action:  "name one that it has", command: "databricks auth profiles",
		}
	case call.Status == 0 && e.Message == "no credentials for a workspace":
		return "no credentials for a workspace", advice{
			meaning: "neither the environment nor ~/.databrickscfg says how to log in",
			action:  "log in once; service principals set DATABRICKS_HOST, DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET",
			command: "databricks auth login --host https://WORKSPACE.cloud.databricks.com",
		}
	}
	return v.refusedCredentials(call)
}

func (v *visit) refusedCredentials(call *workspace.Error) (string, advice) {
	summary := "the workspace does not accept the credentials"
	if call.Status != 0 {
		summary += fmt.Sprintf(" (%d)", call.Status)
	}
	a := advice{
		meaning: "they have expired, were revoked, or belong to another workspace than " + v.workspaceURL,
		action:  "log in again", command: "databricks auth login --host " + shellword.Of(v.workspaceURL),
	}
	for _, name := range []string{"token", "client_secret"} {
		s := v.setting("databricks." + name)
		if s.Source == "" {
			continue
		}
		a.action = "replace the " + strings.ReplaceAll(name, "_", " ") + ": " + v.loginSource(name)
		if variable, ok := strings.CutPrefix(s.Source, "environment "); ok {
			a.command = "unset " + variable + " && " + a.command
		}
		break
	}
	return summary, a
}

// forbidden explains a 403, which tells a network from an identity that is
// not admitted only by its text.
func (v *visit) forbidden(e *lakebase.Error, call *workspace.Error) (string, advice) {
	switch text := strings.ToLower(call.Message); {
	case strings.Contains(text, "unauthorized network access"):
		return "the workspace does not admit this network", advice{
			meaning: "it is behind PrivateLink: login and API work only from inside, and the database API needs Service-Direct set up too",
			action:  "run this inside the workspace's network, or have an admin set up Service-Direct for this one",
		}
	case strings.Contains(text, "ip acl"), strings.Contains(text, "ip access list"):
		return "the workspace does not admit this machine's address", advice{
			meaning: call.Message,
			action:  "have a workspace admin add this machine's public address to the IP access list",
			command: "curl -sS https://checkip.amazonaws.com",
		}
	}
	who := "this identity"
	if v.identity != "" {
		who = v.identity
	}
	return who + " may not use it", advice{
		meaning: "the login to the workspace worked; the permission for this resource is missing",
		action:  "have its owner grant " + who + " \"Can use\"",
	}
}

// skewed warns where the clocks differ by more than the library reports.
func (v *visit) skewed() (time.Duration, bool) {
	if v.steps.Workspace == nil {
		return 0, false
	}
	skew, known := v.steps.Workspace.Skew()
	return skew, known && skew.Abs() > 30*time.Second
}

func isKind(err error, kinds ...lakebase.Kind) bool {
	for _, k := range kinds {
		if errors.Is(err, k) {
			return true
		}
	}
	return false
}

// answered reports whether the workspace itself said no to this call, rather
// than to the login before it.
func answered(err error) bool {
	var call *workspace.Error
	if !errors.As(err, &call) || call.Auth || call.Status == 0 {
		return false
	}
	text := strings.ToLower(call.Message)
	return !strings.Contains(text, "network access") && !strings.Contains(text, "ip acl") && !strings.Contains(text, "ip access list")
}
