package lakebase

import (
	"context"
	"errors"
	"time"

	"github.com/lakebase-go/lakebase/internal/workspace"
)

// slowAnswer is how long a call to the workspace is unanswered before that is a
// reason for a wait.
const slowAnswer = 2 * time.Second

// Lookup looks the target up in the workspace, as the first login would, and
// touches no database. The error is an [*Error]; while the workspace does not
// answer, Lookup retries as long as ctx and Config.ConnectTimeout allow. If the
// latest request for a token failed, it waits for the next one too, so that
// [Connector.Trouble] is of now. It does nothing for a static URL.
func (c *Connector) Lookup(ctx context.Context) error {
	if c.static() {
		return nil
	}
	if _, err := c.locator.locate(ctx); err != nil {
		return err
	}
	c.tokens.Recheck(ctx)
	return nil
}

// Trouble returns why the workspace gives no location or token at the moment,
// such as "the workspace x.cloud.databricks.com" and "503 Service Unavailable" as
// Resource and Message: what logins wait for, if their token has expired. It is nil
// if the latest call succeeded, before the first one, and for a static URL.
func (c *Connector) Trouble() *Error {
	if c.static() {
		return nil
	}
	err := c.tokens.Failure()
	if failed := c.locator.failed.Load(); failed != nil {
		err = failed.err
	}
	if err == nil && c.workspace.Unanswered() > slowAnswer {
		err = &workspace.Error{Err: context.DeadlineExceeded}
	}
	if err == nil {
		return nil
	}
	var e *Error
	errors.As(workspaceError(err, c.cfg.Target()), &e)
	trouble := *e
	var call *workspace.Error
	if errors.As(err, &call) && call.Temporary() {
		trouble.Kind, trouble.Message, trouble.Err = KindWorkspaceUnreachable, call.Brief(), nil
		trouble.Resource = "the workspace " + c.workspace.Name()
	}
	return &trouble
}
