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
		"no instance":     {&workspace.Error{Status: 404, Code: "NOT_FOUND"}, "my-instance", NotFound, false, "projects/my-instance"},
		"no endpoint":     {&workspace.Error{Status: 404, Code: "NOT_FOUND"}, "projects/p/branches/b", NotFound, false, "lakebase targets"},
		"forbidden":       {&workspace.Error{Status: 403, Code: "PERMISSION_DENIED"}, "my-instance", PermissionDenied, false, "Can use"},
		"network":         {&workspace.Error{Status: 403, Message: "Unauthorized network access to workspace 123"}, "x", PermissionDenied, false, "PrivateLink"},
		"IP ACL":          {&workspace.Error{Status: 403, Message: "Source IP 10.0.0.1 is blocked by Databricks IP ACL for workspace 1"}, "x", PermissionDenied, false, "IP access list"},
		"bad token":       {&workspace.Error{Status: 401, Message: "invalid access token"}, "x", WorkspaceAuth, false, "databricks auth login"},
		"bad secret":      {&workspace.Error{Status: 400, Auth: true, Message: "invalid_client"}, "x", WorkspaceAuth, false, "client secret"},
		"forbidden login": {&workspace.Error{Status: 403, Auth: true}, "x", WorkspaceAuth, false, "accept these credentials"},
		"no credentials": {&workspace.Error{Auth: true, Err: errors.New("default auth: cannot configure default credentials, please check the docs")}, "x",
			WorkspaceAuth, false, "DATABRICKS_CLIENT_SECRET"},
		"no profile": {&workspace.Error{Auth: true, Err: errors.New("resolve: ~/.databrickscfg has no DEV profile configured")}, "x",
			WorkspaceAuth, false, "databricks auth profiles"},
		"login without answer": {&workspace.Error{Auth: true, Err: fmt.Errorf("token: %w", noAnswer)}, "x", WorkspaceUnreachable, true, "DATABRICKS_HOST"},
		"login with 503":       {&workspace.Error{Auth: true, Status: 503}, "x", WorkspaceUnreachable, true, "status page"},
		"no answer":            {&workspace.Error{Err: noAnswer}, "x", WorkspaceUnreachable, true, "HTTPS_PROXY"},
		"busy":                 {&workspace.Error{Status: 429}, "x", WorkspaceUnreachable, true, "tokens that were minted"},
		"broken":               {&workspace.Error{Status: 500}, "x", WorkspaceUnreachable, true, "try again"},
		"bad request":          {&workspace.Error{Status: 400, Code: "INVALID_PARAMETER_VALUE"}, "x", BadConfig, false, "name"},
		"conflict":             {&workspace.Error{Status: 409}, "x", ConnectFailed, false, ""},
		"not configured":       {errors.New("cannot configure default credentials"), "x", WorkspaceAuth, false, "LAKEBASE_PG_URL"},
		"out of time":          {context.DeadlineExceeded, "x", WorkspaceUnreachable, true, "DATABRICKS_HOST"},
		"cancelled":            {&workspace.Error{Err: context.Canceled}, "x", WorkspaceUnreachable, false, ""},
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
