package doctor

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/shellword"
	"github.com/lakebase-go/lakebase/internal/workspace"
)

// explainCall explains a call to the workspace that failed, whatever it was
// about.
func (v *visit) explainCall(err error) (summary string, a advice) {
	e, call := asError(err), asCall(err)
	switch e.Kind {
	case "":
		return err.Error(), advice{}
	case lakebase.KindWorkspaceUnreachable:
		return v.explainUnreachable(call, err)
	case lakebase.KindWorkspaceAuth:
		return v.explainLogin(e, call)
	case lakebase.KindPermissionDenied:
		return v.explainForbidden(call)
	}
	return e.Message, advice{action: e.Hint}
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
func (v *visit) explainUnreachable(call *workspace.Error, err error) (string, advice) {
	var dns *net.DNSError
	text := strings.ToLower(err.Error())
	switch {
	case call.Status == http.StatusTooManyRequests:
		return "the workspace is limiting requests (429)", advice{
			meaning: "there were too many calls in the last minutes; tokens that were minted before still work",
			action:  "wait a minute, and look for a program that mints a token for every connection", command: v.again(),
		}
	case call.Status >= 500:
		return fmt.Sprintf("the workspace reports an error of its own (%d)", call.Status), advice{
			meaning: "it was reached and could not process the request; the cause is not on this machine",
			action:  "try again later; the service's status page says more", command: v.again(),
		}
	case call.Status != 0:
		return "the server that answers is not a workspace", v.correctWorkspace("the reply is not a workspace's: a proxy or login page in between, or another server")
	case errors.As(err, &dns):
		return fmt.Sprintf("the workspace's name %s does not resolve", dns.Name), v.correctWorkspace("no name server knows it: a typing error, or a name of a private network")
	case v.unresolved != "":
		return fmt.Sprintf("the workspace's name %s does not resolve", v.unresolved), advice{
			meaning: "the name servers of this machine did not answer in " + v.timeout.String(),
			action:  "check the network and the workspace's address: " + v.loginSource("host"), command: v.again(),
		}
	case strings.Contains(text, "x509") || strings.Contains(text, "tls:"):
		return "the workspace's certificate is not trusted here", advice{
			meaning: "something in between intercepts TLS, or the certificate's authority is not installed",
			action:  "name a file with that authority's certificate", command: "export SSL_CERT_FILE=/path/to/ca.pem",
		}
	}
	a := advice{
		meaning: "the connection was refused or cut, or there was no reply in " + v.timeout.String(),
		action:  "check the network to " + v.workspaceURL + ", a proxy in HTTPS_PROXY included: " + v.loginSource("host"),
	}
	if v.workspaceURL != "" {
		a.command = "curl -sS -o /dev/null -w '%{http_code}\\n' " + shellword.Of(v.workspaceURL)
	}
	return "the workspace does not answer", a
}

// explainLogin explains a workspace login that failed.
func (v *visit) explainLogin(e *lakebase.Error, call *workspace.Error) (string, advice) {
	text := strings.ToLower(call.Error())
	switch {
	case strings.Contains(text, "profile configured"), strings.Contains(text, "profile not found"):
		return fmt.Sprintf("there is no profile %q", v.cfg.Profile), advice{
			meaning: "the configuration names a section that ~/.databrickscfg does not have",
			action:  "name one that it has", command: "databricks auth profiles",
		}
	case call.Status == 0 && e.Message == "no credentials for a workspace":
		return "no credentials for a workspace", advice{
			meaning: "neither the environment nor ~/.databrickscfg has a workspace login",
			action:  "log in once; service principals set DATABRICKS_HOST, DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET",
			command: "databricks auth login --host https://WORKSPACE.cloud.databricks.com",
		}
	}
	summary := "the workspace does not accept the credentials"
	if call.Status != 0 {
		summary += fmt.Sprintf(" (%d)", call.Status)
	}
	a := advice{
		meaning: "they have expired, were revoked, or belong to another workspace than " + v.workspaceURL,
		action:  "log in again", command: "databricks auth login --host " + shellword.Of(v.workspaceURL),
	}
	for _, name := range []string{"token", "client_secret"} {
		if v.setting("databricks."+name).Source == "" {
			continue
		}
		a.action = "replace the " + strings.ReplaceAll(name, "_", " ") + ": " + v.loginSource(name)
		if unset := v.unset("databricks." + name); unset != "" {
			a.command = unset + " && " + a.command
		}
		break
	}
	return summary, a
}

// explainForbidden explains a 403. Only its text distinguishes a network that
// the workspace does not allow from an identity that lacks a permission.
func (v *visit) explainForbidden(call *workspace.Error) (string, advice) {
	switch text := strings.ToLower(call.Message); {
	case isPrivateLink(text):
		return "the workspace does not allow this network", advice{
			meaning: "it is behind PrivateLink: login and API work only from inside, and the database API needs Service-Direct set up too",
			action:  "run this inside the workspace's network, or have an admin set up Service-Direct for this one",
		}
	case isAccessList(text):
		return "the workspace does not allow this machine's address", advice{
			meaning: call.Message,
			action:  "have a workspace admin add this machine's public address to the IP access list",
			command: "curl -sS https://checkip.amazonaws.com",
		}
	}
	identity := "this identity"
	if v.identity != "" {
		identity = v.identity
	}
	return identity + " may not use it", advice{
		meaning: "the login to the workspace worked; the permission for this resource is missing",
		action:  "have its owner grant " + identity + " \"Can use\"",
	}
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
