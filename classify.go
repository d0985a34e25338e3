package lakebase

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// diagnosis is what a failed login comes down to.
type diagnosis struct {
	kind     Kind
	rejected bool   // the server refused the token: another one may do
	message  string // in place of which the cause speaks for itself
	hint     string
	cause    error // the part of the error that tells
}

// adviceFor fills the names that the hint speaks of.
func (d diagnosis) adviceFor(host, user, database string) string {
	name := func(v, general string) string {
		if v == "" {
			return general
		}
		return quoteSQL(v)
	}
	literal := "'ROLE'"
	if user != "" {
		literal = "'" + strings.ReplaceAll(user, "'", "''") + "'"
	}
	if host == "" {
		host = "the host"
	}
	return strings.NewReplacer(
		"{host}", host, "{role}", name(user, "the role"), "{'role'}", literal, "{database}", name(database, "the database"),
	).Replace(d.hint)
}

func quoteSQL(v string) string { return `"` + strings.ReplaceAll(v, `"`, `""`) + `"` }

// serverRule recognises one way in which a server refuses a login. The
// service reports many of them as XX000, so that only the text tells; texts
// are lower case and match anywhere.
type serverRule struct {
	texts []string
	codes []string
	diagnosis
}

const tokenHint = "the password must be a database token of the identity that the role belongs to: connect as that identity's role, here {role}, and let this library mint the token (personal access tokens and workspace tokens are refused)"

// serverRules are tried in order: texts that say more stand before codes
// that say less.
var serverRules = []serverRule{
	{texts: []string{"too many connections", "too many clients", "too many database connection attempts", "remaining connection slots"}, codes: []string{"53300"},
		diagnosis: diagnosis{kind: KindTooManyConnections,
			hint: "lower DB_POOL_SIZE and DB_MAX_OVERFLOW (every process has its own pool), or give the compute a larger maximum size"}},
	{texts: []string{"endpoint is disabled", "endpoint has been disabled"},
		diagnosis: diagnosis{kind: KindUnavailable, message: "the endpoint is disabled",
			hint: "enable the endpoint in the workspace: a disabled one is not woken by connections"}},
	{texts: []string{"invalid protocol version", "connection is insecure", "no encryption"},
		diagnosis: diagnosis{kind: KindTLS, message: "the server takes only TLS connections",
			hint: "set sslmode=verify-full (PGSSLMODE, or sslmode= in the static URL)"}},
	{texts: []string{"endpoint id is not specified"},
		diagnosis: diagnosis{kind: KindConnectFailed, message: "the server could not tell which endpoint is meant",
			hint: "connect by host name, not by address: the name reaches the server through TLS (SNI)"}},
	{texts: []string{"endpoint could not be found", "endpoint not found"},
		diagnosis: diagnosis{kind: KindNotFound, message: "no endpoint behind {host}",
			hint: "the endpoint was deleted or replaced: run \"lakebase targets\" and name it by its path instead of its host"}},
	{texts: []string{"sasl authentication failed"},
		diagnosis: diagnosis{kind: KindTokenRejected, rejected: true, message: "the server wanted a native password, not a token",
			hint: "a host with -pooler takes only native passwords: use the direct host; on a direct host, {role} is a native-password role: create an OAuth role with databricks_create_role"}},
	{texts: []string{"failed to decode token", "not a valid jwt encoding"},
		diagnosis: diagnosis{kind: KindTokenRejected, rejected: true, message: "the password is not a database token", hint: tokenHint}},
	{texts: []string{"invalid authorization for databricks identity"},
		diagnosis: diagnosis{kind: KindTokenRejected, rejected: true, message: "the token has expired or belongs to another identity",
			hint: "connect as the role of the identity that mints the token: {role} is not it, or this machine's clock is wrong (\"lakebase doctor\" tells)"}},
	{texts: []string{"jwt token has expired", "token is expired", "token has expired"},
		diagnosis: diagnosis{kind: KindTokenRejected, rejected: true, message: "the token has expired",
			hint: "check this machine's clock: a token was used after its end"}},
	{texts: []string{"invalid jwt token audience", "jwk not found"},
		diagnosis: diagnosis{kind: KindTokenRejected, rejected: true, message: "the token is from another workspace",
			hint: "log in to the workspace that owns {host}: check DATABRICKS_HOST and DATABRICKS_CONFIG_PROFILE"}},
	{texts: []string{"is not permitted to log in"},
		diagnosis: diagnosis{kind: KindPermissionDenied, hint: "ALTER ROLE {role} LOGIN, or connect as a role that may log in"}},
	{texts: []string{"no pg_hba.conf entry"},
		diagnosis: diagnosis{kind: KindPermissionDenied, hint: "the server's pg_hba.conf admits no such login: check host, user and database"}},
	{codes: []string{"3D000"},
		diagnosis: diagnosis{kind: KindNotFound,
			hint: "check the database's name (the one every project starts with is databricks_postgres, with an underscore) or create it"}},
	{texts: []string{"permission denied for database"},
		diagnosis: diagnosis{kind: KindPermissionDenied, hint: "ask the database's owner to GRANT CONNECT ON DATABASE {database} TO {role}"}},
	{texts: []string{"the database system is", "couldn't connect to compute node", "endpoint is starting", "endpoint is stopped", "instance is stopped", "instance is starting"},
		codes: []string{"57P01", "57P02", "57P03"},
		diagnosis: diagnosis{kind: KindUnavailable,
			hint: "the server is starting, waking or failing over: try again in a moment; if it stays so, check the instance's state in the workspace"}},
	{texts: []string{"password authentication failed"}, codes: []string{"28P01"},
		diagnosis: diagnosis{kind: KindTokenRejected, rejected: true, hint: tokenHint}},
	{codes: []string{"42501"},
		diagnosis: diagnosis{kind: KindPermissionDenied, hint: "ask the object's owner to GRANT the privilege to {role}"}},
	{codes: []string{"28000"},
		diagnosis: diagnosis{kind: KindTokenRejected, rejected: true, hint: tokenHint}},
}

// missingRole matches either style of quotes; "does not exist" alone could
// be a database.
var missingRole = regexp.MustCompile(`role ["'].*["'] does not exist`)

var roleMissing = diagnosis{kind: KindRoleMissing,
	hint: "in {database}, as a role that may: CREATE EXTENSION IF NOT EXISTS databricks_auth; SELECT databricks_create_role({'role'}, 'USER') (or 'SERVICE_PRINCIPAL', 'GROUP'); \"lakebase roles create\" does both"}

// matchServerError diagnoses by text first, then by SQLSTATE.
func matchServerError(e *pgconn.PgError) diagnosis {
	text := strings.ToLower(e.Message + " " + e.Detail)
	if missingRole.MatchString(text) {
		return roleMissing
	}
	for _, r := range serverRules {
		if slices.ContainsFunc(r.texts, func(t string) bool { return strings.Contains(text, t) }) || slices.Contains(r.codes, e.Code) {
			return r.diagnosis
		}
	}
	return diagnosis{kind: KindConnectFailed}
}

// isDisabled reports whether err says that the endpoint is disabled, which
// no retry changes.
func isDisabled(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && strings.Contains(strings.ToLower(e.Message), "disabled")
}

// diagnose finds the part of err that tells most. That part alone becomes
// the cause: pgx's own wrapper holds the configuration, password included.
func diagnose(err error) diagnosis {
	var (
		pgErr *pgconn.PgError
		dns   *net.DNSError
		op    *net.OpError
		net   net.Error
	)
	switch {
	case errors.As(err, &pgErr):
		d := matchServerError(pgErr)
		d.cause = pgErr
		return d
	case errors.Is(err, context.Canceled):
		return diagnosis{kind: KindConnectFailed, message: "cancelled", cause: context.Canceled}
	case isTLS(err):
		return diagnoseTLS(err)
	case errors.As(err, &dns):
		return diagnosis{kind: KindDNS, cause: dns,
			hint: "check the name and the network; LAKEBASE_DNS_SERVERS names servers to ask when the system's fail, LAKEBASE_HOST another host"}
	case holds(err, context.DeadlineExceeded):
		return diagnosis{kind: KindConnectFailed, message: "gave up waiting", cause: context.DeadlineExceeded,
			hint: "allow more time: waking an endpoint can take seconds, and a firewall that drops port 5432 looks the same"}
	case isDropped(err), errors.Is(err, io.EOF):
		return diagnosis{kind: KindUnavailable, message: "the connection was refused or cut", cause: innermost(err),
			hint: "check that the instance runs and that nothing between blocks {host} or its port; a password login is cut like this where native login is off"}
	case errors.As(err, &op), errors.As(err, &net) && net.Timeout():
		return diagnosis{kind: KindUnavailable, message: "no connection to the server", cause: innermost(err),
			hint: "check the network to {host}: a firewall that drops the Postgres port looks like this"}
	}
	return diagnosis{kind: KindConnectFailed, cause: innermost(err)}
}

// innermost strips pgx's wrapper with the configuration in it.
func innermost(err error) error {
	var wrapper *pgconn.ConnectError
	if errors.As(err, &wrapper) {
		return wrapper.Unwrap()
	}
	return err
}

// refusedTLS is pgx's text for a server that answers N to SSLRequest; there
// is no type or value to ask for.
const refusedTLS = "server refused TLS connection"

// tlsErrors are the types that mean a failed handshake.
func isTLS(err error) bool {
	return err != nil && diagnoseTLS(err).kind == KindTLS
}

func diagnoseTLS(err error) diagnosis {
	var (
		authority x509.UnknownAuthorityError
		roots     x509.SystemRootsError
		host      x509.HostnameError
		invalid   x509.CertificateInvalidError
		verify    *tls.CertificateVerificationError
		record    tls.RecordHeaderError
		alert     tls.AlertError
	)
	d := diagnosis{kind: KindTLS}
	switch {
	case errors.As(err, &authority):
		d.cause, d.message = authority, "the server's certificate is from an unknown authority"
		d.hint = "set PGSSLROOTCERT to a file with the authority's certificate, if it is yours; if not, something between here and {host} intercepts TLS"
	case errors.As(err, &roots):
		d.cause, d.message = roots, "this machine has no root certificates"
		d.hint = "install the system's CA certificates, or set PGSSLROOTCERT to a file of them"
	case errors.As(err, &host):
		d.cause, d.message = host, "the server's certificate is for another name"
		d.hint = "connect by the name in the certificate, not by an address or alias (LAKEBASE_HOST, PGHOST)"
	case errors.As(err, &invalid):
		d.cause, d.message = invalid, "the server's certificate is not valid"
		d.hint = "check this machine's clock; if it is right, the server's certificate or the file in PGSSLROOTCERT needs replacing"
	case errors.As(err, &verify):
		d.cause, d.message = verify, "the server's certificate could not be verified"
		d.hint = "set PGSSLROOTCERT to a file with the authority's certificate"
	case errors.As(err, &record):
		// Not the error itself, which holds the connection.
		d.cause, d.message = errors.New(record.Error()), "what answers does not speak TLS"
		d.hint = "check {host} and the port: this is no Lakebase server, or a proxy in between is in the way"
	case errors.As(err, &alert):
		d.cause, d.message = alert, "the server ended the TLS handshake"
		d.hint = "connect by host name, not by address, and check that nothing in between intercepts TLS"
	case err != nil && strings.Contains(err.Error(), refusedTLS):
		d.cause, d.message = errors.New(refusedTLS), "the server offers no TLS"
		d.hint = "check {host} and the port: Lakebase always offers TLS; for a server of your own use a static URL with its sslmode"
	default:
		return diagnosis{kind: KindConnectFailed}
	}
	return d
}

// classifyLogin says what kind of failure err is, and whether the server
// refused the token, so that a fresh one is worth a try.
func classifyLogin(err error) (kind Kind, rejected bool) {
	d := diagnose(err)
	return d.kind, d.rejected
}

// loginError turns what pgx returns for a failed login into an [Error]. It
// passes on an Error that it finds inside, such as one from a hook.
func loginError(err error, host, user, database string) error {
	if err == nil {
		return nil
	}
	if e := (*Error)(nil); errors.As(err, &e) {
		return e
	}
	d := diagnose(err)
	return &Error{
		Kind:     d.kind,
		Resource: host,
		Message:  strings.ReplaceAll(d.message, "{host}", host),
		Hint:     d.adviceFor(host, user, database),
		Err:      d.cause,
	}
}
