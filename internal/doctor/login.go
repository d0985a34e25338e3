package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/oneline"
	"github.com/lakebase-go/lakebase/internal/refusal"
	"github.com/lakebase-go/lakebase/internal/roles"
	"github.com/lakebase-go/lakebase/internal/shellword"
	"github.com/lakebase-go/lakebase/internal/workspace"
)

// shortestLifetime is the shortest that the service gives a token.
const shortestLifetime = 5 * time.Minute

// checkToken mints a token and looks at it, without showing it.
func checkToken(ctx context.Context, v *visit) Result {
	ctx, cancel := v.within(ctx)
	defer cancel()
	token, err := v.steps.Mint(ctx)
	if err != nil {
		return v.explainMint(err)
	}
	v.options.Secrets.Add(token.Secret)
	c := workspace.ClaimsOf(token.Secret)
	v.subject, v.lifetime = cmp.Or(c.Subject, c.ClientID), token.Lifetime
	details := []Detail{{Name: "lifetime", Value: rounded(token.Lifetime).String()}}
	if v.subject != "" {
		details = append(details, Detail{Name: "identity", Value: v.subject})
	}
	clock := "the workspace's replies have no date"
	if skew, known := v.steps.Workspace.Skew(); known {
		clock = skew.Abs().Round(time.Second).String() + " off the workspace's"
	}
	details = append(details, Detail{Name: "role", Value: v.user()}, Detail{Name: "clock", Value: clock})
	r := found(details, "minted, valid for %s", rounded(token.Lifetime))
	if v.subject != "" {
		r.Summary += ", for " + v.subject
	}
	if v.isOthersRole() && slices.Contains(v.groups, v.user()) {
		r.Summary += " as the group " + v.user()
	}
	return v.judgeToken(r)
}

func (v *visit) judgeToken(r Result) Result {
	if skew, wrong := v.skew(); wrong {
		side := "ahead of"
		if skew < 0 {
			side = "behind"
		}
		r = r.warn(problem("this machine's clock is %s %s the workspace's", rounded(skew.Abs()), side).
			means("tokens are refreshed in time all the same, since their age is corrected for it; certificates and other programs are not").
			do(setClock()))
	}
	if v.lifetime < shortestLifetime {
		action := "ask for longer ones"
		if v.setting("token_ttl").Source == "default" {
			action = askForLongerTokens
		}
		r = r.warn(problem("the token is valid for %s only", rounded(v.lifetime)).
			means("every connection that is opened later needs another token, so the workspace must answer that often").
			do(action))
	}
	return r
}

// explainMint explains a token that was not minted.
func (v *visit) explainMint(err error) Result {
	p := v.explainCall(err, "mint a token for "+v.targetName())
	switch asError(err).Kind {
	case lakebase.KindNotFound:
		p = problem("the credentials API does not know %s", v.targetName()).
			means("the target existed a moment ago: it was deleted, or became a project under another name").
			do("look it up again", v.again())
	case lakebase.KindWorkspaceAuth:
		p.Meaning = "the login worked for other calls: the token may lack the scope postgres. Otherwise, " + p.Meaning
	case lakebase.KindBadConfig:
		p.Summary, p.Meaning = "the credentials API refuses the request", asCall(err).Message
	}
	return p.failed(err)
}

// checkLogin logs in. Like the library it tries a fresh token when one is
// refused, and waits for a database that is starting.
func checkLogin(ctx context.Context, v *visit) Result {
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
		return v.explainLoginError(ctx, err)
	}
	r := found(nil, "logged in as %s to database %s", v.conn.Config().User, v.conn.Config().Database)
	switch took := rounded(time.Since(began)); {
	case refused != nil:
		return r.warn(problem("the first token was refused, a fresh one was not").
			means("tokens were revoked a moment ago, or the server did not know this one yet: %s", withoutPrefix(refused)).
			do("nothing: the library does the same by itself"))
	case v.asleep:
		r.Summary += fmt.Sprintf(", which was asleep and took %s", took)
	case attempts > 1:
		r.Summary += fmt.Sprintf(", which took %s to start", took)
	}
	return r
}

// logIn makes one attempt. A sleeping endpoint gets the time to wake.
func (v *visit) logIn(ctx context.Context) (*pgx.Conn, error) {
	if v.asleep {
		v.timeout, v.waited = v.options.WakeTimeout, true
		v.notify(Event{Check: "login", Note: fmt.Sprintf("the endpoint is asleep: waking it, up to %s", v.timeout)})
	}
	ctx, cancel := v.within(ctx)
	defer cancel()
	return v.steps.Login(ctx, "")
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
func (v *visit) explainLoginError(ctx context.Context, err error) Result {
	e, reply := asError(err), replyOf(err)
	var details []Detail
	for _, d := range []Detail{{Name: "sqlstate", Value: reply.Code}, {Name: "message", Value: reply.Message}, {Name: "detail", Value: reply.Detail}, {Name: "hint", Value: reply.Hint}} {
		if d.Value != "" {
			d.Value = oneline.Text(d.Value)
			details = append(details, d)
		}
	}
	p := problem("%s", cmp.Or(e.Message, withoutPrefix(err)))
	switch {
	case v.isStatic() && e.Kind == lakebase.KindConnectFailed && e.Message == "the server refused the user or password":
		p = problem("the server refused the user %q or the password", v.user()).
			means("it was reached, and TLS is as configured; the role of an identity has no password, and takes a token").
			do("correct user and password in the URL; % / : @ in them are written with % escapes")
	case len(details) > 0:
		p = v.explainRefusal(ctx, e, reply)
	case e.Kind == lakebase.KindUnavailable && v.isOthersRole():
		p = v.explainOthersRole()
		err = &lakebase.Error{Kind: lakebase.KindTokenRejected, Resource: e.Resource, Message: "the server closed the connection", Err: err}
	case e.Kind == lakebase.KindUnavailable:
		p = problem("the server closed the connection during the login").
			means("TLS was fine, and then the connection was closed without an error: the server is stopping, or refuses a native password where native login is off").
			do("try again; if it stays so, look at the instance in the workspace", v.again())
		if v.isStatic() {
			p = p.do("switch native login on for the instance, or name the instance instead of the URL")
		}
	case errors.Is(err, context.DeadlineExceeded) && e.Kind == lakebase.KindConnectFailed:
		p = problem("the server did not finish the login in %s", v.timeout).
			means("TLS was fine and the server took the login, but never answered: an endpoint that hangs while it wakes").
			do("try again; if it stays so, look at the instance in the workspace", v.again())
	case e.Kind == lakebase.KindConnectFailed:
		p = problem("the login failed").means("%s", withoutPrefix(e))
	}
	return p.failed(err, details...)
}

// explainRefusal explains the server's answer to a login.
func (v *visit) explainRefusal(ctx context.Context, e *lakebase.Error, reply *pgconn.PgError) Result {
	switch reason := refusal.Of(reply); reason {
	case refusal.RoleMissing:
		return v.missingRole()
	case refusal.DatabaseMissing:
		return v.otherDatabase()
	case refusal.EndpointUnspecified:
		return problem("the server could not tell which endpoint is meant").
			means("the host name reaches it through TLS, and none did").
			do(v.letWorkspaceNameHost("connect by host name, not by address"))
	case refusal.EndpointDisabled:
		v.target.RawState = "disabled"
		return v.toStart(problem("the endpoint is disabled"))
	case refusal.Starting:
		return problem("the server is starting or failing over, and was not done in %s", v.options.WakeTimeout).
			means("it answers, and asks to try again later").
			do("wait until it is up; if it stays so, look at the instance in the workspace", v.command("wait"))
	case refusal.TooManyOfRole:
		return tooManyConnections("role", "the role has a limit of its own (CONNECTION LIMIT), and has reached it")
	case refusal.TooManyOfDatabase:
		return tooManyConnections("database", "the database has a limit of its own (CONNECTION LIMIT), and has reached it")
	case refusal.TooManyOfEndpoint:
		return tooManyConnections("endpoint", "every connection that the compute has room for is taken")
	case refusal.TooManyConnections:
		return tooManyConnections("server", "every connection that the compute has room for is taken")
	case refusal.ConnectNotGranted:
		return problem("the role may not connect to the database %q", v.steps.Database).
			means("the login was accepted; the privilege CONNECT on the database is missing").
			do("have the database's owner run this", v.roles("grant", "--read", "--database", shellword.Of(v.steps.Database)))
	case refusal.LoginNotPermitted:
		return problem("the role %q may not log in", v.user()).
			means("it has NOLOGIN: other roles are members of it, and it does not log in itself").
			do("log in as another role, or have someone who administers it run this",
				"lakebase query"+v.targetFlag()+" "+shellword.Of("ALTER ROLE "+quoteSQL(v.user())+" LOGIN"))
	default:
		switch e.Kind {
		case lakebase.KindTokenRejected:
			return v.explainToken(ctx, reason)
		case lakebase.KindPermissionDenied:
			return problem("the server did not permit the login")
		case lakebase.KindConnectFailed:
			return problem("the server refused the login: %s", reply.Message)
		}
		return problem("%s", e.Message)
	}
}

// explainToken explains why a token was refused twice.
func (v *visit) explainToken(ctx context.Context, reason refusal.Reason) Result {
	_, wrongClock := v.skew()
	host := v.servers[0].Host
	_, pooled := workspace.DirectHost(host)
	switch {
	case pooled:
		return problem("the service's pooler does not take the token").
			means("it takes native passwords; whether it takes tokens too depends on the project").
			do(v.toDirectHost(host))
	case reason == refusal.PasswordWanted:
		return problem("the server wants a native password, not a token").
			means("the role %s was created in Postgres and has a password of its own", quoteSQL(v.user())).
			do("log in as the role of an identity; have someone who can log in see with this how the role was created", v.roles("show"))
	case reason == refusal.TokenOfOtherWorkspace:
		return problem("the token is from another workspace, or for another endpoint").
			means("the login went to %s, which does not own the host %s", v.workspaceURL, v.servers[0].Host).
			do(v.logInElsewhere())
	case reason == refusal.NotAToken:
		return problem("the server does not take the password for a token").
			means("the server cannot read a token that was minted a moment ago: the host belongs to another workspace than the login, or is not Lakebase at all").
			do(v.logInElsewhere())
	case reason == refusal.TokenExpired:
		return v.explainExpiry()
	case v.isOthersRole():
		return v.explainOthersRole()
	case reason == refusal.WrongPassword:
		return v.explainWrongPassword(ctx)
	case wrongClock || v.lifetime < 30*time.Second:
		return v.explainExpiry()
	}
	if r, ok := v.explainDatabase(ctx); ok {
		return r
	}
	return problem("the server refused a token that was minted a moment ago").
		means("it has not expired and belongs to %s, whose role logs in: either tokens are being revoked, or the role is not tied to that identity", v.user()).
		do("have someone else who can log in find out which identity the role belongs to", v.roles("show"))
}

// defaultDatabase exists in every project, and takes tokens.
const defaultDatabase = "databricks_postgres"

// explainWrongPassword explains the answer that Lakebase has for several causes, as
// far as another login and the workspace's list of roles tell them apart.
func (v *visit) explainWrongPassword(ctx context.Context) Result {
	if r, ok := v.explainDatabase(ctx); ok {
		return r
	}
	ctx, cancel := v.within(ctx)
	defer cancel()
	list, err := v.workspaceRoles(ctx)
	i := slices.IndexFunc(list, func(r workspace.Role) bool { return r.Name == v.user() })
	ofIdentity := false
	if i >= 0 {
		_, native := roles.ParseKind(list[i].Identity)
		ofIdentity = native == nil
	}
	switch {
	case err != nil:
		return problem("the role %q does not log in with tokens", v.user()).
			means("Lakebase says the same of a role that does not exist and of one that was made by CREATE ROLE; the workspace does not list its roles to this identity").
			do("have someone who may create roles run this, which says what is in the way", v.createRole())
	case i < 0:
		return v.missingRole()
	case !ofIdentity:
		return problem("the role %q was made by CREATE ROLE, and takes no tokens", v.user()).
			means("the workspace lists it as a role with a native password; a token logs in as a role that was made for its identity").
			do("have someone who may create roles make it one of the identity; this says what is in the way", v.createRole())
	}
	return problem("the server refused a token of the role's own identity").
		means("the workspace lists %q as the role of an identity, and the token is of that: tokens are being revoked, or the role is being made at this moment", v.user()).
		do("try again in a minute", v.again())
}

// explainDatabase explains a refusal that the database is the cause of: the same role
// and token log in to the default one.
func (v *visit) explainDatabase(ctx context.Context) (r Result, ok bool) {
	if v.steps.Database == defaultDatabase {
		return r, false
	}
	ctx, cancel := v.within(ctx)
	defer cancel()
	conn, err := v.steps.Login(ctx, defaultDatabase)
	if err != nil {
		return r, false
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var exists bool
	err = conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", v.steps.Database).Scan(&exists)
	if err == nil && !exists {
		return v.otherDatabase(), true
	}
	return problem("the database %q takes no tokens", v.steps.Database).
		means("the same role and token log in to %s: the database was made by CREATE DATABASE and lacks the extension databricks_auth, which those made through the workspace have", defaultDatabase).
		do("make the database in the workspace (its page, API or bundle), or have a role with a native password run CREATE EXTENSION databricks_auth in it"), true
}

// workspaceRoles lists the roles that the workspace knows of the target.
func (v *visit) workspaceRoles(ctx context.Context) ([]workspace.Role, error) {
	if v.target.Endpoint != "" {
		return v.steps.Workspace.BranchRoles(ctx, v.target.Endpoint)
	}
	return v.steps.Workspace.InstanceRoles(ctx, v.target.Instance)
}

func (v *visit) missingRole() Result {
	if v.isOthersRole() && strings.EqualFold(v.user(), v.subject) {
		return v.explainOthersRole()
	}
	if v.isStatic() {
		return problem("Postgres has no role %q", v.user()).
			means("the user of the static URL is none of the roles there, whose names are case-sensitive").
			do("correct the user of the URL, or have someone who may create roles create it, with a password")
	}
	return problem("Postgres has no role %q", v.user()).
		means("permission for the instance creates no role in Postgres: each identity that logs in needs one of its name, in the same case").
		do("have someone who may create roles run this", v.createRole())
}

// isOthersRole reports whether the role that logs in is not the token's own
// identity. It may be a group of that.
func (v *visit) isOthersRole() bool { return v.subject != "" && v.subject != v.user() }

func (v *visit) explainOthersRole() Result {
	p := problem("the token is %s's, and the role is %s", v.subject, v.user())
	if strings.EqualFold(v.user(), v.subject) {
		return p.means("the names of roles are case-sensitive, and the identity's has another case").
			do("log in as "+v.subject, v.unset("user"))
	}
	return p.means("a token logs in as the role of its own identity, or as that of a group which the identity is a member of; %s is neither of %s", v.user(), v.subject).
		do("log in as "+v.subject+", or have "+v.subject+" added to the group", v.unset("user"))
}

// logInElsewhere is the action, with its command, for another workspace's host.
func (v *visit) logInElsewhere() (action, command string) {
	_, login := v.correctWorkspace()
	action, command = v.letWorkspaceNameHost("log in to the workspace that owns the host: " + v.loginSource("host"))
	return action, cmp.Or(command, login)
}

func (v *visit) explainExpiry() Result {
	p := problem("the token had expired when the server verified it")
	if skew, wrong := v.skew(); wrong {
		return p.means("this machine's clock is %s off the workspace's", rounded(skew.Abs())).do(setClock())
	}
	if v.lifetime < time.Minute {
		return p.means("it was valid for %s only", rounded(v.lifetime)).do(askForLongerTokens)
	}
	return p.means("it was minted a moment ago, so the server's clock or its copy of the workspace's keys is behind").
		do("try again in a minute", v.again())
}

func (v *visit) otherDatabase() Result {
	p := problem("there is no database %q", v.steps.Database).
		means("the login was accepted, and the database does not exist")
	const create = "name the one that every project starts with, or create yours"
	variable := v.variable("database")
	switch {
	case v.isStatic():
		return p.do("correct the database in the URL")
	case v.steps.Database == defaultDatabase:
		return p.do("name one that exists: the default one was dropped or renamed", "export LAKEBASE_DATABASE_NAME=postgres")
	case variable != "":
		return p.do(create+": "+variable+" names it", "unset "+variable)
	}
	return p.do(create, "export LAKEBASE_DATABASE_NAME=databricks_postgres")
}

func tooManyConnections(of, meaning string) Result {
	return problem("the %s has no connection left", of).means("%s", meaning).
		do("close some, or open fewer: every process has a pool of its own", smallerPool(2))
}

func quoteSQL(name string) string { return pgx.Identifier{name}.Sanitize() }
