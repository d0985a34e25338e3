package lakebase

import (
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/lakebase-go/lakebase/internal/workspace"
)

// Hints about the login to the workspace.
const (
	noCredentialsHint = "set DATABRICKS_HOST with DATABRICKS_TOKEN, or with DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET; or run \"databricks auth login\" and name its profile in DATABRICKS_CONFIG_PROFILE; or set LAKEBASE_PG_URL to need no workspace"
	badLoginHint      = "the workspace does not accept these credentials: check DATABRICKS_HOST and the token or client secret, or run \"databricks auth login\" again"
	profileHint       = "DATABRICKS_CONFIG_PROFILE names a section that ~/.databrickscfg does not have: \"databricks auth profiles\" lists them"
)

// workspaceError turns a failed call to the workspace about resource into an
// [Error]. An Error inside it is returned as it is.
func workspaceError(err error, resource string) error {
	if err == nil {
		return nil
	}
	if e := (*Error)(nil); errors.As(err, &e) {
		return e
	}
	d := diagnoseCall(err, resource)
	return &Error{Kind: d.kind, Resource: resource, Message: d.message, Hint: d.hint, Err: err}
}

// workspaceHint is the hint for a failed call, if it can be given without
// knowing what the call was about.
func workspaceHint(call *workspace.Error) string {
	if d := diagnoseCall(call, ""); d.kind != KindNotFound {
		return d.hint
	}
	return ""
}

func diagnoseCall(err error, resource string) diagnosis {
	var call *workspace.Error
	local, isLocal := diagnoseLocal(err)
	switch {
	case errors.Is(err, context.Canceled), holds(err, context.DeadlineExceeded):
		return diagnosis{kind: KindWorkspaceUnreachable, message: "gave up waiting for the workspace", hint: "check DATABRICKS_HOST and the network to it"}
	case !errors.As(err, &call):
		return diagnoseWorkspaceLogin(err.Error())
	case call.IsSetting():
		return diagnosis{kind: KindBadConfig, message: call.Message, hint: "\"lakebase env\" shows where each setting comes from"}
	case isLocal:
		return local
	case strings.Contains(call.Error(), "HTTP response to HTTPS client"):
		return diagnosis{kind: KindBadConfig, message: "the workspace's host answers without TLS",
			hint: "write http:// before the host in DATABRICKS_HOST if it is a local Lakebase"}
	case call.Untrusted():
		return diagnosis{kind: KindTLS, message: "the workspace's certificate is not trusted",
			hint: "check DATABRICKS_HOST; if something on the way inspects TLS, set SSL_CERT_FILE to a file with the certificate of its authority"}
	case call.NoSuchHost():
		return diagnosis{kind: KindWorkspaceUnreachable, message: "the workspace's host does not exist", hint: "check DATABRICKS_HOST, or the host of the profile: no name server knows it"}
	case call.Temporary() && !failedLocally(call):
		return diagnoseUnreachable(call.Status)
	case call.Auth || call.Status == http.StatusUnauthorized:
		text := call.Message
		if call.Err != nil {
			text += " " + call.Err.Error()
		}
		return diagnoseWorkspaceLogin(text)
	case call.Status == http.StatusForbidden:
		return diagnoseForbidden(call.Message)
	case call.Status == http.StatusNotFound:
		hint := "check the path and the workspace: \"lakebase targets\" lists what this identity can see"
		if !strings.HasPrefix(resource, "projects/") {
			hint = "check the name and the workspace: \"lakebase targets\" lists what this identity can see; what used to be an instance may now be a project, named projects/" + resource
		}
		return diagnosis{kind: KindNotFound, message: "the workspace does not know it", hint: hint}
	case call.Status == http.StatusBadRequest:
		return diagnosis{kind: KindBadConfig, message: "the workspace refused the request", hint: "check the name: the workspace's answer says what it takes"}
	}
	return diagnosis{kind: KindConnectFailed, message: "the workspace refused the request"}
}

// failedLocally reports whether a login failed before anything was sent, for
// lack of credentials.
func failedLocally(e *workspace.Error) bool {
	var netErr net.Error
	return e.Auth && e.Status == 0 && !errors.As(e.Err, &netErr)
}

func diagnoseUnreachable(status int) diagnosis {
	switch status {
	case 0:
		return diagnosis{kind: KindWorkspaceUnreachable, message: "the workspace does not answer", hint: "check DATABRICKS_HOST and the network to it, a proxy in HTTPS_PROXY included"}
	case http.StatusTooManyRequests:
		return diagnosis{kind: KindWorkspaceUnreachable, message: "the workspace is limiting requests", hint: "wait: tokens that were minted before still work; many processes that start at once cause this"}
	}
	return diagnosis{kind: KindWorkspaceUnreachable, message: "the workspace has a problem of its own", hint: "try again later; the service's status page says more"}
}

// diagnoseWorkspaceLogin distinguishes credentials that are missing from those
// that are wrong.
func diagnoseWorkspaceLogin(text string) diagnosis {
	switch has := containsAny(text); {
	case has("profile configured", "profile not found"):
		return diagnosis{kind: KindWorkspaceAuth, message: "cannot log in to the workspace", hint: profileHint}
	case has("default credentials", "default auth", "host is required", "no host"):
		return diagnosis{kind: KindWorkspaceAuth, message: "no credentials for a workspace", hint: noCredentialsHint}
	}
	return diagnosis{kind: KindWorkspaceAuth, message: "cannot log in to the workspace", hint: badLoginHint}
}

func diagnoseForbidden(text string) diagnosis {
	switch has := containsAny(text); {
	case has("unauthorized network access"):
		return diagnosis{kind: KindPermissionDenied, message: "the workspace does not admit this network",
			hint: "the workspace is behind PrivateLink: connect from its network, or have Service-Direct set up for the database API"}
	case has("ip acl", "ip access list"):
		return diagnosis{kind: KindPermissionDenied, message: "the workspace does not admit this address",
			hint: "have a workspace admin add this machine's public address to the IP access list"}
	}
	return diagnosis{kind: KindPermissionDenied, message: "this identity may not use it",
		hint: "have its owner grant \"Can use\"; \"lakebase doctor\" says which identity this is"}
}

// containsAny returns a function that reports whether text contains one of
// parts, which are lower case.
func containsAny(text string) func(parts ...string) bool {
	text = strings.ToLower(text)
	return func(parts ...string) bool {
		return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(text, part) })
	}
}
