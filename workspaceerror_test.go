package lakebase

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/lakebase-go/lakebase/internal/workspace"
)

func TestWorkspaceError(t *testing.T) {
	noAnswer := &net.OpError{Op: "dial", Err: errors.New("no route to host")}
	for name, test := range map[string]struct {
		err      error
		resource string
		kind     Kind
		retry    bool
		hint     string
	}{
		"no instance":     {&workspace.Error{Status: 404, Code: "NOT_FOUND"}, "my-instance", KindNotFound, false, "projects/my-instance"},
		"no endpoint":     {&workspace.Error{Status: 404, Code: "NOT_FOUND"}, "projects/p/branches/b", KindNotFound, false, "lakebase targets"},
		"forbidden":       {&workspace.Error{Status: 403, Code: "PERMISSION_DENIED"}, "my-instance", KindPermissionDenied, false, "Can use"},
		"network":         {&workspace.Error{Status: 403, Message: "Unauthorized network access to workspace 123"}, "x", KindPermissionDenied, false, "PrivateLink"},
		"IP ACL":          {&workspace.Error{Status: 403, Message: "Source IP 10.0.0.1 is blocked by Databricks IP ACL for workspace 1"}, "x", KindPermissionDenied, false, "IP access list"},
		"bad token":       {&workspace.Error{Status: 401, Message: "invalid access token"}, "x", KindWorkspaceAuth, false, "databricks auth login"},
		"bad secret":      {&workspace.Error{Status: 400, Auth: true, Message: "invalid_client"}, "x", KindWorkspaceAuth, false, "client secret"},
		"forbidden login": {&workspace.Error{Status: 403, Auth: true}, "x", KindWorkspaceAuth, false, "accept these credentials"},
		"no credentials": {&workspace.Error{Auth: true, Err: errors.New("default auth: cannot configure default credentials, please check the docs")}, "x",
			KindWorkspaceAuth, false, "DATABRICKS_CLIENT_SECRET"},
		"no profile": {&workspace.Error{Auth: true, Err: errors.New("resolve: ~/.databrickscfg has no DEV profile configured")}, "x",
			KindWorkspaceAuth, false, "databricks auth profiles"},
		"login without answer": {&workspace.Error{Auth: true, Err: fmt.Errorf("token: %w", noAnswer)}, "x", KindWorkspaceUnreachable, true, "DATABRICKS_HOST"},
		"login with 503":       {&workspace.Error{Auth: true, Status: 503}, "x", KindWorkspaceUnreachable, true, "status page"},
		"no answer":            {&workspace.Error{Err: noAnswer}, "x", KindWorkspaceUnreachable, true, "HTTPS_PROXY"},
		"busy":                 {&workspace.Error{Status: 429}, "x", KindWorkspaceUnreachable, true, "tokens that were minted"},
		"broken":               {&workspace.Error{Status: 500}, "x", KindWorkspaceUnreachable, true, "try again"},
		"bad request":          {&workspace.Error{Status: 400, Code: "INVALID_PARAMETER_VALUE"}, "x", KindBadConfig, false, "name"},
		"conflict":             {&workspace.Error{Status: 409}, "x", KindConnectFailed, false, ""},
		"not configured":       {errors.New("cannot configure default credentials"), "x", KindWorkspaceAuth, false, "LAKEBASE_PG_URL"},
		"out of time":          {context.DeadlineExceeded, "x", KindWorkspaceUnreachable, true, "DATABRICKS_HOST"},
		"cancelled":            {&workspace.Error{Err: context.Canceled}, "x", KindWorkspaceUnreachable, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := workspaceError(fmt.Errorf("calling: %w", test.err), test.resource)
			e, ok := got.(*Error)
			if !ok || e.Kind != test.kind || e.Resource != test.resource || e.Message == "" {
				t.Fatalf("got %T of kind %q about %q, want %q about %q", got, e.Kind, e.Resource, test.kind, test.resource)
			}
			if Retryable(e) != test.retry {
				t.Errorf("retryable: %v", !test.retry)
			}
			if !strings.Contains(e.Hint, test.hint) || strings.Contains(e.Hint, "\n") {
				t.Errorf("hint %q, want it to say %q", e.Hint, test.hint)
			}
			if !errors.Is(e, test.err) {
				t.Error("the cause is lost")
			}
		})
	}
}

// TestBareWorkspaceError: Retryable knows the calls' own errors too.
func TestBareWorkspaceError(t *testing.T) {
	for status, want := range map[int]bool{0: true, 400: false, 401: false, 404: false, 429: true, 503: true} {
		if got := Retryable(&workspace.Error{Status: status}); got != want {
			t.Errorf("%d: got %v, want %v", status, got, want)
		}
	}
}
