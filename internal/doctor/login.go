package doctor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/oneline"
	"github.com/lakebase-go/lakebase/internal/refusal"
)

// checkLogin logs in. Like the library it tries a fresh token when one is
// refused, and waits for a database that is starting.
func checkLogin(ctx context.Context, v *visit) finding {
	began, attempts := time.Now(), 0
	var refused error
	err := v.poll(ctx, "login", func() (starting bool, err error) {
		attempts++
		v.conn, err = v.logIn(ctx)
		if errors.Is(err, lakebase.KindTokenRejected) && !v.isStatic() && refused == nil {
			refused = err
			v.conn, err = v.logIn(ctx)
		}
		return isStarting(err), err
	}, func() string {
		return fmt.Sprintf("the database is on its way up: waiting up to %s", v.options.WakeTimeout)
	})
	if err != nil {
		return v.explainLoginError(err)
	}
	f := found(nil, "logged in as %s to database %s", v.conn.Config().User, v.conn.Config().Database)
	switch took := rounded(time.Since(began)); {
	case refused != nil:
		return f.warn("the first token was refused, a fresh one was not", advice{
			meaning: "tokens were revoked a moment ago, or the server did not know this one yet: " + withoutPrefix(refused),
			action:  "nothing: the library does the same by itself",
		})
	case v.asleep:
		f.summary += fmt.Sprintf(", which was asleep and took %s", took)
	case attempts > 1:
		f.summary += fmt.Sprintf(", which took %s to start", took)
	}
	return f
}

// logIn makes one attempt. A sleeping endpoint gets the time to wake.
func (v *visit) logIn(ctx context.Context) (*pgx.Conn, error) {
	limit := v.loginLimit()
	if v.asleep {
		v.notify(Event{Check: "login", Note: fmt.Sprintf("the endpoint is asleep: waking it, up to %s", limit)})
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return v.steps.Login(ctx)
}

func (v *visit) loginLimit() time.Duration {
	if v.asleep {
		return v.options.WakeTimeout
	}
	return v.timeout
}

// isStarting reports whether the server itself asked to try again later.
func isStarting(err error) bool {
	reply := replyOf(err)
	return errors.Is(err, lakebase.KindUnavailable) && reply.Code != "" && refusal.Of(reply) != refusal.EndpointDisabled
}

// replyOf returns the server's error in err's chain, or an empty one.
func replyOf(err error) *pgconn.PgError {
	if e := (*pgconn.PgError)(nil); errors.As(err, &e) {
		return e
	}
	return &pgconn.PgError{}
}

// explainLoginError explains a login that failed.
func (v *visit) explainLoginError(err error) finding {
	e, reply := asError(err), replyOf(err)
	var details []Detail
	for _, d := range []Detail{{Name: "sqlstate", Value: reply.Code}, {Name: "message", Value: reply.Message}, {Name: "detail", Value: reply.Detail}, {Name: "hint", Value: reply.Hint}} {
		if d.Value != "" {
			d.Value = oneline.Text(d.Value)
			details = append(details, d)
		}
	}
	if v.isStatic() && e.Kind == lakebase.KindConnectFailed && e.Message == "the server refused the user or password" {
		return fail(err, fmt.Sprintf("the server refused the user %q or the password", v.user()), advice{
			meaning: "it was reached, and TLS is as configured; the role of an identity has no password, and takes a token",
			action:  "correct user and password in the URL; % / : @ in them are written with % escapes",
		}, details...)
	}
	if reply.Code != "" || reply.Message != "" {
		summary, a := v.explainRefusal(e, reply)
		return fail(err, summary, a, details...)
	}
	switch {
	case e.Kind == "":
		return fail(err, withoutPrefix(err), advice{})
	case e.Kind == lakebase.KindUnavailable && v.isOthersRole():
		summary, a := v.explainOthersRole()
		err = &lakebase.Error{Kind: lakebase.KindTokenRejected, Resource: e.Resource, Message: "the server closed the connection", Err: err}
		return fail(err, summary, a)
	case e.Kind == lakebase.KindUnavailable:
		return fail(err, "the server closed the connection during the login", v.explainClosed())
	case errors.Is(err, context.DeadlineExceeded) && e.Kind == lakebase.KindConnectFailed:
		return fail(err, fmt.Sprintf("the server did not finish the login in %s", v.loginLimit()), advice{
			meaning: "TLS was fine and the server took the login, but never answered: an endpoint that hangs while it wakes",
			action:  "try again; if it stays so, look at the instance in the workspace", command: v.again(),
		})
	case e.Kind == lakebase.KindConnectFailed:
		return fail(err, "the login failed", advice{meaning: withoutPrefix(e)})
	}
	return fail(err, e.Message, advice{})
}

// explainClosed explains a connection that was closed in the middle of a login.
func (v *visit) explainClosed() advice {
	if v.isStatic() {
		return advice{
			meaning: "TLS was fine, and then the connection was closed without an error: Lakebase refuses passwords like this where native login is off",
			action:  "switch native login on for the instance, or name the instance instead of the URL",
		}
	}
	return advice{
		meaning: "TLS was fine, and then the connection was closed without an error: the server is stopping, or refuses a native password where native login is off",
		action:  "try again; if it stays so, look at the instance in the workspace", command: v.again(),
	}
}
