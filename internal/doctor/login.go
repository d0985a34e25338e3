package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/shellword"
)

// checkLogin logs in. Like the library it tries once more with a fresh token
// when one is refused, and waits for a database that is on its way up.
func checkLogin(ctx context.Context, v *visit) finding {
	deadline := time.Now().Add(v.options.WakeTimeout)
	began := time.Now()
	refused := error(nil)
	for attempt := 1; ; attempt++ {
		conn, err := v.loginOnce(ctx)
		switch {
		case err == nil:
			v.conn = conn
			return v.loggedIn(refused, attempt, time.Since(began))
		case isKind(err, lakebase.KindTokenRejected) && refused == nil && !v.isStatic():
			refused = err
			continue
		case !v.comingUp(err) || time.Until(deadline) < pollInterval:
			return v.loginFailed(err)
		}
		v.tell(Event{Check: "login", Note: fmt.Sprintf("the database is on its way up: waiting up to %s", v.options.WakeTimeout)})
		select {
		case <-ctx.Done():
			return v.loginFailed(err)
		case <-time.After(pollInterval):
		}
	}
}

// loginOnce gives a sleeping endpoint the time to wake.
func (v *visit) loginOnce(ctx context.Context) (*pgx.Conn, error) {
	limit := v.options.Timeout
	if v.asleep {
		limit = v.options.WakeTimeout
		v.tell(Event{Check: "login", Note: fmt.Sprintf("the endpoint is asleep: waking it, up to %s", limit)})
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return v.steps.Login(ctx)
}

// comingUp reports whether the server itself said to wait.
func (v *visit) comingUp(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && isKind(err, lakebase.KindUnavailable) && !strings.Contains(strings.ToLower(e.Message), "disabled")
}

func (v *visit) loggedIn(refused error, attempts int, took time.Duration) finding {
	f := found(nil, "logged in as %s to database %s", v.conn.Config().User, v.conn.Config().Database)
	switch {
	case refused != nil:
		return f.warn("the first token was refused, a fresh one was not", advice{
			meaning: "tokens were revoked a moment ago, or the server did not know this one yet: " + withoutPrefix(refused),
			action:  "nothing: the library does the same by itself",
		})
	case v.asleep:
		f.summary += fmt.Sprintf(", which was asleep and took %s", rounded(took))
	case attempts > 1:
		f.summary += fmt.Sprintf(", which was on its way up for %s", rounded(took))
	}
	return f
}

func withoutPrefix(err error) string { return strings.TrimPrefix(err.Error(), "lakebase: ") }

// loginFailed explains a login that failed.
func (v *visit) loginFailed(err error) finding {
	var e *lakebase.Error
	if !errors.As(err, &e) {
		return fail(err, withoutPrefix(err), advice{})
	}
	var said pgconn.PgError
	if p := (*pgconn.PgError)(nil); errors.As(err, &p) {
		said = *p
	}
	details := v.said(said)
	switch e.Kind {
	case lakebase.KindRoleMissing:
		return fail(err, fmt.Sprintf("Postgres has no role %q", v.user()), v.createRole(), details...)
	case lakebase.KindTokenRejected:
		summary, a := v.tokenRefused(strings.ToLower(said.Message))
		return fail(err, summary, a, details...)
	case lakebase.KindNotFound:
		summary, a := v.notThere(said)
		return fail(err, summary, a, details...)
	case lakebase.KindPermissionDenied:
		summary, a := v.notAdmitted(e, said)
		return fail(err, summary, a, details...)
	case lakebase.KindTooManyConnections:
		summary, a := v.tooMany(said)
		return fail(err, summary, a, details...)
	case lakebase.KindUnavailable:
		if said.Message == "" && v.asAnother() {
			summary, a := v.otherIdentity()
			err = &lakebase.Error{Kind: lakebase.KindTokenRejected, Resource: e.Resource, Message: "the server hung up", Err: err}
			return fail(err, summary, a, details...)
		}
		summary, a := v.unavailable(said)
		return fail(err, summary, a, details...)
	case lakebase.KindConnectFailed:
		summary, a := v.connectFailed(e, said)
		return fail(err, summary, a, details...)
	}
	return fail(err, e.Message, advice{action: e.Hint}, details...)
}

// said lists the server's own words.
func (v *visit) said(e pgconn.PgError) []Detail {
	var details []Detail
	for _, d := range []Detail{{Name: "sqlstate", Value: e.Code}, {Name: "message", Value: e.Message}, {Name: "detail", Value: e.Detail}, {Name: "hint", Value: e.Hint}} {
		if d.Value != "" {
			d.Value = strings.Join(strings.Fields(d.Value), " ")
			details = append(details, d)
		}
	}
	return details
}

// createRole is the advice for an identity without a role.
func (v *visit) createRole() advice {
	return advice{
		meaning: "permission for the instance makes no role in Postgres: each identity that logs in needs one of its name, with its case",
		action:  "have someone who may create roles run this",
		command: fmt.Sprintf("lakebase roles create %s --kind %s%s", shellword.Of(v.user()), identityKind(v.user()), v.on()),
	}
}

// asAnother reports whether the role that logs in is not the identity's own. It
// may be a group's.
func (v *visit) asAnother() bool {
	return v.subject != "" && v.subject != v.user()
}

// tokenRefused tells from the server's text and from what is known of the
// token why that was refused twice over.
func (v *visit) tokenRefused(text string) (string, advice) {
	switch {
	case strings.Contains(text, "sasl"):
		return "the server wants a native password, not a token", advice{
			meaning: fmt.Sprintf("the role %s was made in Postgres and has a password of its own, or the host is the service's pooler", quoteSQL(v.user())),
			action:  "log in as the role of an identity; have someone who can log in see with this how the role was made",
			command: fmt.Sprintf("lakebase roles show %s%s", shellword.Of(v.user()), v.on()),
		}
	case strings.Contains(text, "audience"), strings.Contains(text, "jwk not found"):
		return "the token is from another workspace, or for another endpoint", v.otherWorkspace()
	case strings.Contains(text, "failed to decode token"), strings.Contains(text, "valid jwt encoding"):
		a := v.otherWorkspace()
		a.meaning = "the server cannot read a token that was minted a moment ago: the host belongs to another workspace than the login, or to no Lakebase at all"
		return "the server does not take the password for a token", a
	case strings.Contains(text, "expired"):
		return v.tokenExpired()
	case v.asAnother():
		return v.otherIdentity()
	case strings.Contains(text, "password authentication failed"):
		return fmt.Sprintf("the role %q does not log in with tokens", v.user()), advice{
			meaning: "a role of that name is there, but it was made by CREATE ROLE and not for the identity, or this database lacks the extension databricks_auth",
			action:  "have someone who may create roles make it one of the identity; this says what is in the way",
			command: fmt.Sprintf("lakebase roles create %s --kind %s%s", shellword.Of(v.user()), identityKind(v.user()), v.on()),
		}
	}
	if _, wrong := v.skewed(); wrong || v.lifetime < 30*time.Second {
		return v.tokenExpired()
	}
	return "the server refused a token that was minted a moment ago", advice{
		meaning: fmt.Sprintf("it is not expired and belongs to %s, whose role logs in: either tokens are being revoked, or the role is not tied to that identity", v.user()),
		action:  "have someone else who can log in see whose role it is",
		command: fmt.Sprintf("lakebase roles show %s%s", shellword.Of(v.user()), v.on()),
	}
}

func (v *visit) otherWorkspace() advice {
	a := advice{
		meaning: fmt.Sprintf("the login went to %s, which does not own the host %s", v.workspaceURL, v.servers[0].Host),
		action:  "log in to the workspace that owns the host: " + v.loginSource("host"), command: correctHost(v),
	}
	if v.overridesHost() {
		a.action = "let the workspace name the host"
		if unset := v.unsetHost(); unset != "" {
			a.command = unset
		}
	}
	return a
}

func (v *visit) otherIdentity() (string, advice) {
	a := advice{
		meaning: fmt.Sprintf("a token opens the role of its own identity, or that of a group which the identity is a member of; %s is neither of %s", v.user(), v.subject),
		action:  "log in as " + v.subject + ", or have " + v.subject + " added to the group", command: v.unset("user"),
	}
	if strings.EqualFold(v.user(), v.subject) {
		a.meaning = "the names of roles are case-sensitive, and the identity's has another case"
		a.action = "log in as " + v.subject
	}
	return fmt.Sprintf("the token is %s's, and the role is %s", v.subject, v.user()), a
}

func (v *visit) tokenExpired() (string, advice) {
	a := advice{
		meaning: fmt.Sprintf("it lived for %s only", rounded(v.lifetime)),
		action:  "have the workspace's admin see why its tokens are that short",
	}
	if skew, wrong := v.skewed(); wrong {
		a.meaning = fmt.Sprintf("this machine's clock is %s off the workspace's", rounded(skew.Abs()))
		a.action, a.command = setClock(), setClockCommand()
	} else if v.lifetime >= time.Minute {
		a.meaning = "it was minted a moment ago, so the server's clock or its memory of the workspace's keys is behind"
		a.action, a.command = "try again in a minute", v.again()
	}
	return "the token had expired when the server looked at it", a
}

// notThere explains 3D000, and a host without an endpoint.
func (v *visit) notThere(said pgconn.PgError) (string, advice) {
	if said.Code != "3D000" {
		return "there is no endpoint behind " + v.servers[0].Host, advice{
			meaning: "it was deleted or replaced, and its name still leads somewhere",
			action:  "name the target by its path or name instead of its host", command: v.unsetHost(),
		}
	}
	a := advice{
		meaning: "the login was accepted, and the database is not there",
		action:  "name the one that every project starts with, or create yours",
		command: "export LAKEBASE_DATABASE_NAME=databricks_postgres",
	}
	if v.database() == "databricks_postgres" {
		a.action, a.command = "name one that is there: somebody dropped or renamed the usual one", "export LAKEBASE_DATABASE_NAME=postgres"
	} else if variable := v.variable("database"); variable != "" {
		a.action += ": " + variable + " names it"
		a.command = "unset " + variable
	}
	if v.isStatic() {
		a.action, a.command = "correct the database in the URL", ""
	}
	return fmt.Sprintf("there is no database %q", v.database()), a
}

func (v *visit) notAdmitted(e *lakebase.Error, said pgconn.PgError) (string, advice) {
	text := strings.ToLower(said.Message)
	switch {
	case strings.Contains(text, "permission denied for database"):
		return fmt.Sprintf("the role may not connect to the database %q", v.database()), advice{
			meaning: "the login was accepted; the right CONNECT on the database is missing",
			action:  "have the database's owner run this",
			command: fmt.Sprintf("lakebase roles grant %s --read --database %s%s", shellword.Of(v.user()), shellword.Of(v.database()), v.on()),
		}
	case strings.Contains(text, "not permitted to log in"):
		return fmt.Sprintf("the role %q may not log in", v.user()), advice{
			meaning: "it has NOLOGIN: it is there for others to be members of",
			action:  "log in as another role, or have someone who administers it run this",
			command: "lakebase query" + v.on() + " " + shellword.Of(fmt.Sprintf("ALTER ROLE %s LOGIN", quoteSQL(v.user()))),
		}
	case strings.Contains(text, "pg_hba"):
		return "the server admits no such login", advice{
			meaning: "its pg_hba.conf has no line for this user, database, address and kind of connection",
			action:  "check user, database and sslmode against the server's pg_hba.conf",
		}
	}
	return "the server did not permit the login", advice{action: e.Hint}
}

func (v *visit) tooMany(said pgconn.PgError) (string, advice) {
	a := advice{
		meaning: "every connection that the compute has room for is taken",
		action:  "close some, or open fewer: every process has a pool of its own",
		command: "export DB_POOL_SIZE=2 DB_MAX_OVERFLOW=0",
	}
	text := strings.ToLower(said.Message)
	switch {
	case strings.Contains(text, "for role"):
		a.meaning = "the role has a limit of its own (CONNECTION LIMIT), and has reached it"
		return "the role has no connection left", a
	case strings.Contains(text, "for database"):
		a.meaning = "the database has a limit of its own (CONNECTION LIMIT), and has reached it"
		return "the database has no connection left", a
	case strings.Contains(text, "endpoint"):
		return "the endpoint has no connection left", a
	}
	return "the server has no connection left", a
}

func (v *visit) unavailable(said pgconn.PgError) (string, advice) {
	text := strings.ToLower(said.Message)
	switch {
	case strings.Contains(text, "disabled"):
		v.target.RawState = "disabled"
		return "the endpoint is disabled", v.startIt()
	case said.Code != "" || said.Message != "":
		return fmt.Sprintf("the server is starting or failing over, and was not done in %s", v.options.WakeTimeout), advice{
			meaning: "it answers, and asks to come back later",
			action:  "wait until it is up; if it stays so, look at the instance in the workspace", command: v.wait(),
		}
	}
	if v.isStatic() {
		return "the server hung up during the login", advice{
			meaning: "TLS was fine and then the connection was cut without a word: that is how Lakebase refuses passwords where native login is off",
			action:  "switch native login on for the instance, or name the instance instead of the URL",
		}
	}
	return "the server hung up during the login", advice{
		meaning: "TLS was fine and then the connection was cut without a word: the server is going down, or refuses a native password where native login is off",
		action:  "try again; if it stays so, look at the instance in the workspace", command: v.again(),
	}
}

func (v *visit) connectFailed(e *lakebase.Error, said pgconn.PgError) (string, advice) {
	text := strings.ToLower(said.Message)
	switch {
	case v.isStatic() && e.Message == "the server refused the user or password":
		return fmt.Sprintf("the server refused the user %q or the password", v.user()), advice{
			meaning: "it was reached, and TLS is as configured; the role of an identity has no password, and takes a token",
			action:  "correct user and password in the URL; % / : @ in them are written with % escapes",
		}
	case strings.Contains(text, "endpoint id is not specified"):
		return "the server could not tell which endpoint is meant", advice{
			meaning: "the host name reaches it through TLS, and none did",
			action:  v.elsewhere("connect by host name, not by address"), command: v.unsetHost(),
		}
	case errors.Is(e, context.DeadlineExceeded):
		limit := v.options.Timeout
		if v.asleep {
			limit = v.options.WakeTimeout
		}
		return fmt.Sprintf("the server did not finish the login in %s", limit), advice{
			meaning: "TLS was fine and the server took the login, but never answered: an endpoint that hangs while it wakes",
			action:  "try again; if it stays so, look at the instance in the workspace", command: v.again(),
		}
	case said.Message != "":
		return "the server refused the login: " + said.Message, advice{action: e.Hint}
	}
	return "the login failed", advice{meaning: withoutPrefix(e), action: e.Hint}
}

func quoteSQL(name string) string { return pgx.Identifier{name}.Sanitize() }
