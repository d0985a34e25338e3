package doctor

import (
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/refusal"
	"github.com/lakebase-go/lakebase/internal/shellword"
)

// explainRefusal explains the server's answer to a login, with what is known
// of the token.
func (v *visit) explainRefusal(e *lakebase.Error, reply *pgconn.PgError) (string, advice) {
	switch reason := refusal.Of(reply); reason {
	case refusal.RoleMissing:
		return fmt.Sprintf("Postgres has no role %q", v.user()), advice{
			meaning: "permission for the instance creates no role in Postgres: each identity that logs in needs one of its name, in the same case",
			action:  "have someone who may create roles run this", command: v.createRole(),
		}
	case refusal.DatabaseMissing:
		return fmt.Sprintf("there is no database %q", v.database()), v.otherDatabase()
	case refusal.EndpointNotFound:
		return "there is no endpoint behind " + v.servers[0].Host, advice{
			meaning: "it was deleted or replaced, and its name still resolves",
			action:  "name the target by its path or name instead of its host", command: v.unsetHost(),
		}
	case refusal.EndpointUnspecified:
		return "the server could not tell which endpoint is meant", advice{
			meaning: "the host name reaches it through TLS, and none did",
			action:  v.orLetWorkspaceNameHost("connect by host name, not by address"), command: v.unsetHost(),
		}
	case refusal.EndpointDisabled:
		v.target.RawState = "disabled"
		return "the endpoint is disabled", v.start()
	case refusal.Starting:
		return fmt.Sprintf("the server is starting or failing over, and was not done in %s", v.options.WakeTimeout), advice{
			meaning: "it answers, and asks to try again later",
			action:  "wait until it is up; if it stays so, look at the instance in the workspace", command: v.wait(),
		}
	case refusal.TooManyOfRole, refusal.TooManyOfDatabase, refusal.TooManyOfEndpoint, refusal.TooManyConnections:
		return tooManyConnections(reason)
	case refusal.ConnectNotGranted:
		return fmt.Sprintf("the role may not connect to the database %q", v.database()), advice{
			meaning: "the login was accepted; the privilege CONNECT on the database is missing",
			action:  "have the database's owner run this",
			command: v.roles("grant", "--read", "--database", shellword.Of(v.database())),
		}
	case refusal.LoginNotPermitted:
		return fmt.Sprintf("the role %q may not log in", v.user()), advice{
			meaning: "it has NOLOGIN: other roles are members of it, and it does not log in itself",
			action:  "log in as another role, or have someone who administers it run this",
			command: "lakebase query" + v.targetFlag() + " " + shellword.Of(fmt.Sprintf("ALTER ROLE %s LOGIN", quoteSQL(v.user()))),
		}
	case refusal.NoHBAEntry:
		return "the server allows no such login", advice{
			meaning: "its pg_hba.conf has no line for this user, database, address and kind of connection",
			action:  "check user, database and sslmode against the server's pg_hba.conf",
		}
	default:
		return v.explainOtherRefusal(reason, e, reply)
	}
}

// explainOtherRefusal explains refusals of a token, and unknown ones.
func (v *visit) explainOtherRefusal(reason refusal.Reason, e *lakebase.Error, reply *pgconn.PgError) (string, advice) {
	switch e.Kind {
	case lakebase.KindTokenRejected:
		return v.explainToken(reason)
	case lakebase.KindPermissionDenied:
		return "the server did not permit the login", advice{}
	case lakebase.KindConnectFailed:
		return "the server refused the login: " + reply.Message, advice{}
	}
	return e.Message, advice{}
}

// explainToken explains why a token was refused twice, from the reason and
// from what is known of the token.
func (v *visit) explainToken(reason refusal.Reason) (string, advice) {
	switch reason {
	case refusal.PasswordWanted:
		return "the server wants a native password, not a token", advice{
			meaning: fmt.Sprintf("the role %s was created in Postgres and has a password of its own, or the host is the service's pooler", quoteSQL(v.user())),
			action:  "log in as the role of an identity; have someone who can log in see with this how the role was created",
			command: v.roles("show"),
		}
	case refusal.TokenOfOtherWorkspace:
		return "the token is from another workspace, or for another endpoint",
			v.otherWorkspace(fmt.Sprintf("the login went to %s, which does not own the host %s", v.workspaceURL, v.servers[0].Host))
	case refusal.NotAToken:
		return "the server does not take the password for a token",
			v.otherWorkspace("the server cannot read a token that was minted a moment ago: the host belongs to another workspace than the login, or is not Lakebase at all")
	case refusal.TokenExpired:
		return v.explainExpiry()
	}
	_, wrongClock := v.skew()
	switch {
	case v.isOthersRole():
		return v.explainOthersRole()
	case reason == refusal.WrongPassword:
		return fmt.Sprintf("the role %q does not log in with tokens", v.user()), advice{
			meaning: "a role of that name exists, but was created by CREATE ROLE and not for the identity, or this database lacks the extension databricks_auth",
			action:  "have someone who may create roles make it one of the identity; this says what is in the way",
			command: v.createRole(),
		}
	case wrongClock || v.lifetime < 30*time.Second:
		return v.explainExpiry()
	}
	return "the server refused a token that was minted a moment ago", advice{
		meaning: fmt.Sprintf("it has not expired and belongs to %s, whose role logs in: either tokens are being revoked, or the role is not tied to that identity", v.user()),
		action:  "have someone else who can log in find out which identity the role belongs to",
		command: v.roles("show"),
	}
}

// isOthersRole reports whether the role that logs in is not the token's own
// identity. It may be a group of that.
func (v *visit) isOthersRole() bool { return v.subject != "" && v.subject != v.user() }

func (v *visit) explainOthersRole() (string, advice) {
	a := advice{
		meaning: fmt.Sprintf("a token logs in as the role of its own identity, or as that of a group which the identity is a member of; %s is neither of %s", v.user(), v.subject),
		action:  "log in as " + v.subject + ", or have " + v.subject + " added to the group", command: v.unset("user"),
	}
	if strings.EqualFold(v.user(), v.subject) {
		a.meaning = "the names of roles are case-sensitive, and the identity's has another case"
		a.action = "log in as " + v.subject
	}
	return fmt.Sprintf("the token is %s's, and the role is %s", v.subject, v.user()), a
}

func (v *visit) otherWorkspace(meaning string) advice {
	a := v.correctWorkspace(meaning)
	a.action = v.orLetWorkspaceNameHost("log in to the workspace that owns the host: " + v.loginSource("host"))
	if unset := v.unsetHost(); unset != "" {
		a.command = unset
	}
	return a
}

func (v *visit) explainExpiry() (string, advice) {
	const summary = "the token had expired when the server verified it"
	if skew, wrong := v.skew(); wrong {
		return summary, setClock(fmt.Sprintf("this machine's clock is %s off the workspace's", rounded(skew.Abs())))
	}
	if v.lifetime >= time.Minute {
		return summary, advice{
			meaning: "it was minted a moment ago, so the server's clock or its copy of the workspace's keys is behind",
			action:  "try again in a minute", command: v.again(),
		}
	}
	return summary, advice{meaning: fmt.Sprintf("it was valid for %s only", rounded(v.lifetime)), action: askForLongerTokens}
}

func (v *visit) otherDatabase() advice {
	a := advice{
		meaning: "the login was accepted, and the database does not exist",
		action:  "name the one that every project starts with, or create yours",
		command: "export LAKEBASE_DATABASE_NAME=databricks_postgres",
	}
	if v.database() == "databricks_postgres" {
		a.action, a.command = "name one that exists: the default one was dropped or renamed", "export LAKEBASE_DATABASE_NAME=postgres"
	} else if variable := v.variable("database"); variable != "" {
		a.action += ": " + variable + " names it"
		a.command = "unset " + variable
	}
	if v.isStatic() {
		a.action, a.command = "correct the database in the URL", ""
	}
	return a
}

func tooManyConnections(reason refusal.Reason) (string, advice) {
	a := advice{
		meaning: "every connection that the compute has room for is taken",
		action:  "close some, or open fewer: every process has a pool of its own",
		command: smallerPool(2),
	}
	switch reason {
	case refusal.TooManyOfRole:
		a.meaning = "the role has a limit of its own (CONNECTION LIMIT), and has reached it"
		return "the role has no connection left", a
	case refusal.TooManyOfDatabase:
		a.meaning = "the database has a limit of its own (CONNECTION LIMIT), and has reached it"
		return "the database has no connection left", a
	case refusal.TooManyOfEndpoint:
		return "the endpoint has no connection left", a
	}
	return "the server has no connection left", a
}

func quoteSQL(name string) string { return pgx.Identifier{name}.Sanitize() }
