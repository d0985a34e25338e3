package lakebase

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"

	"github.com/lakebase-go/lakebase/internal/locate"

	"github.com/lakebase-go/lakebase/internal/workspace"
)

// What to do about a workspace that one cannot log in to.
const (
	noCredentialsHint = "set DATABRICKS_HOST with DATABRICKS_TOKEN, or with DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET; or run \"databricks auth login\" and name its profile in DATABRICKS_CONFIG_PROFILE; or set LAKEBASE_PG_URL to need no workspace"
	badLoginHint      = "the workspace does not accept these credentials: check DATABRICKS_HOST and the token or client secret, or run \"databricks auth login\" again"
	profileHint       = "DATABRICKS_CONFIG_PROFILE names a section that ~/.databrickscfg does not have: \"databricks auth profiles\" lists them"
)

// workspaceError turns a failed call to the workspace about resource into an
// [Error]. It passes on an Error that it finds inside.
func workspaceError(err error, resource string) error {
	if err == nil {
		return nil
	}
	if e := (*Error)(nil); errors.As(err, &e) {
		return e
	}
	if l := (*locate.Error)(nil); errors.As(err, &l) {
		return locateError(l)
	}
	e := &Error{Resource: resource, Err: err}
	var call *workspace.Error
	switch {
	case errors.Is(err, context.Canceled), holds(err, context.DeadlineExceeded):
		e.Kind, e.Message = KindWorkspaceUnreachable, "gave up waiting for the workspace"
		e.Hint = "check DATABRICKS_HOST and the network to it"
	case !errors.As(err, &call):
		e.explainLogin(err.Error())
	case unanswered(call) && !isLocalFailure(call):
		e.explainUnreachable(call)
	case call.Auth || call.Status == http.StatusUnauthorized:
		e.explainLogin(call.Message + " " + causeText(call))
	case call.Status == http.StatusForbidden:
		e.explainForbidden(call)
	case call.Status == http.StatusNotFound:
		e.explainNotFound()
	case call.Status == http.StatusBadRequest:
		e.Kind, e.Message = KindBadConfig, "the workspace refused the request"
		e.Hint = "check the name: the workspace's answer says what it takes"
	default:
		e.Kind, e.Message = KindConnectFailed, "the workspace refused the request"
	}
	return e
}

// locateError turns a target that was not found or cannot be used into an
// [Error].
func locateError(l *locate.Error) error {
	switch l.Problem {
	case locate.CallFailed:
		return workspaceError(l.Err, l.Resource)
	case locate.NotFound:
		return &Error{Kind: KindNotFound, Resource: l.Resource, Message: l.Message, Hint: l.Hint}
	}
	return &Error{Kind: KindUnavailable, Resource: l.Resource, Message: l.Message, Hint: l.Hint, stopped: l.Problem == locate.Stopped}
}

// workspaceHint is the advice for a failed call, if that can be given without
// knowing what it was about.
func workspaceHint(call *workspace.Error) string {
	var e *Error
	if errors.As(workspaceError(call, ""), &e) && e.Kind != KindNotFound {
		return e.Hint
	}
	return ""
}

// unanswered reports whether the same call may get an answer later.
func unanswered(e *workspace.Error) bool { return e.Temporary() }

// isLocalFailure reports whether a login failed before anything was sent,
// for want of credentials.
func isLocalFailure(e *workspace.Error) bool {
	var netErr net.Error
	return e.Auth && e.Status == 0 && !errors.As(e.Err, &netErr)
}

func causeText(e *workspace.Error) string {
	if e.Err == nil {
		return ""
	}
	return e.Err.Error()
}

func (e *Error) explainUnreachable(call *workspace.Error) {
	e.Kind = KindWorkspaceUnreachable
	switch {
	case call.Status == 0:
		e.Message, e.Hint = "the workspace does not answer", "check DATABRICKS_HOST and the network to it, a proxy in HTTPS_PROXY included"
	case call.Status == http.StatusTooManyRequests:
		e.Message, e.Hint = "the workspace is limiting requests", "wait: tokens that were minted before still work; many processes that start at once cause this"
	default:
		e.Message, e.Hint = "the workspace has a problem of its own", "try again later; the service's status page says more"
	}
}

// explainLogin tells credentials that are missing from those that are wrong.
func (e *Error) explainLogin(text string) {
	e.Kind, e.Message, e.Hint = KindWorkspaceAuth, "cannot log in to the workspace", badLoginHint
	switch text = strings.ToLower(text); {
	case strings.Contains(text, "profile configured"), strings.Contains(text, "profile not found"):
		e.Hint = profileHint
	case strings.Contains(text, "default credentials"), strings.Contains(text, "default auth"), strings.Contains(text, "host is required"), strings.Contains(text, "no host"):
		e.Message, e.Hint = "no credentials for a workspace", noCredentialsHint
	}
}

func (e *Error) explainForbidden(call *workspace.Error) {
	e.Kind = KindPermissionDenied
	switch text := strings.ToLower(call.Message); {
	case strings.Contains(text, "unauthorized network access"):
		e.Message = "the workspace does not admit this network"
		e.Hint = "the workspace is behind PrivateLink: connect from its network, or have Service-Direct set up for the database API"
	case strings.Contains(text, "ip acl"), strings.Contains(text, "ip access list"):
		e.Message = "the workspace does not admit this address"
		e.Hint = "have a workspace admin add this machine's public address to the IP access list"
	default:
		e.Message = "this identity may not use it"
		e.Hint = "have its owner grant \"Can use\"; \"lakebase doctor\" says which identity this is"
	}
}

func (e *Error) explainNotFound() {
	e.Kind, e.Message = KindNotFound, "the workspace does not know it"
	e.Hint = "check the path and the workspace: \"lakebase targets\" lists what this identity can see"
	if !strings.HasPrefix(e.Resource, "projects/") {
		e.Hint = "check the name and the workspace: \"lakebase targets\" lists what this identity can see; what used to be an instance may now be a project, named projects/" + e.Resource
	}
}
