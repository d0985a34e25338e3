package lakebase

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lakebase-go/lakebase/internal/refusal"
	"github.com/lakebase-go/lakebase/internal/workspace"
)

// diagnosis is the kind of a failed login, with what to do about it.
type diagnosis struct {
	kind    Kind
	message string // empty if the cause says enough
	hint    string
	cause   error // the part of the error that explains most
}

// hintFor fills in the names that the hint mentions.
func (d diagnosis) hintFor(host, user, database string) string {
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

const tokenHint = "the password must be a database token of the identity that the role belongs to: connect as that identity's role, here {role}, and let this library mint the token (personal access tokens and workspace tokens are refused)"

var tooManyConnections = diagnosis{kind: KindTooManyConnections,
	hint: "lower DB_POOL_SIZE and DB_MAX_OVERFLOW (every process has its own pool), or give the compute a larger maximum size"}

// refusals are the diagnoses of the refusals of a server.
var refusals = map[refusal.Reason]diagnosis{
	refusal.TooManyOfRole:      tooManyConnections,
	refusal.TooManyOfDatabase:  tooManyConnections,
	refusal.TooManyOfEndpoint:  tooManyConnections,
	refusal.TooManyConnections: tooManyConnections,
	refusal.EndpointDisabled: {kind: KindUnavailable, message: "the endpoint is disabled",
		hint: "enable the endpoint in the workspace: a disabled one is not woken by connections"},
	refusal.PlaintextRefused: {kind: KindTLS, message: "the server takes only TLS connections",
		hint: "set sslmode=verify-full (PGSSLMODE, or sslmode= in the static URL)"},
	refusal.EndpointUnspecified: {kind: KindConnectFailed, message: "the server could not tell which endpoint is meant",
		hint: "connect by host name, not by address: the name reaches the server through TLS (SNI)"},
	refusal.EndpointNotFound: {kind: KindNotFound, message: "no endpoint has this name",
		hint: "the endpoint was deleted or replaced: run \"lakebase targets\" and name it by its path instead of its host"},
	refusal.PasswordWanted: {kind: KindTokenRejected, message: "the server wanted a native password, not a token",
		hint: "{role} is a role with a password of its own: create one for the identity with databricks_create_role; a host of the service's pooler (-pooler) asks every role for such a password, the direct host does not"},
	refusal.NotAToken: {kind: KindTokenRejected, message: "the password is not a database token", hint: tokenHint},
	refusal.TokenOfAnother: {kind: KindTokenRejected, message: "the token has expired or belongs to another identity",
		hint: "connect as the role of the identity that mints the token: {role} is not it, or this machine's clock is wrong (\"lakebase doctor\" tells)"},
	refusal.TokenExpired: {kind: KindTokenRejected, message: "the token has expired",
		hint: "check this machine's clock: a token was used after its end"},
	refusal.TokenOfOtherWorkspace: {kind: KindTokenRejected, message: "the token is from another workspace",
		hint: "log in to the workspace that owns {host}: check DATABRICKS_HOST and DATABRICKS_CONFIG_PROFILE"},
	refusal.WrongPassword: {kind: KindTokenRejected,
		hint: "Lakebase says this where {role} does not exist or was made by CREATE ROLE, and where {database} was made by SQL and lacks databricks_auth: \"lakebase doctor\" tells which; personal access tokens and workspace tokens are refused so too"},
	refusal.NotAuthorized: {kind: KindTokenRejected, hint: tokenHint},
	refusal.RoleMissing: {kind: KindRoleMissing,
		hint: "in {database}, as a role that may: CREATE EXTENSION IF NOT EXISTS databricks_auth; SELECT databricks_create_role({'role'}, 'USER') (or 'SERVICE_PRINCIPAL', 'GROUP'); \"lakebase roles create\" does both"},
	refusal.LoginNotPermitted: {kind: KindPermissionDenied, hint: "ALTER ROLE {role} LOGIN, or connect as a role that may log in"},
	refusal.NoHBAEntry:        {kind: KindPermissionDenied, hint: "the server's pg_hba.conf admits no such login: check host, user and database"},
	refusal.DatabaseMissing: {kind: KindNotFound,
		hint: "check the database's name (the one every project starts with is databricks_postgres, with an underscore) or create it"},
	refusal.ConnectNotGranted:   {kind: KindPermissionDenied, hint: "ask the database's owner to GRANT CONNECT ON DATABASE {database} TO {role}"},
	refusal.PrivilegeNotGranted: {kind: KindPermissionDenied, hint: "ask the object's owner to GRANT the privilege to {role}"},
	refusal.Starting: {kind: KindUnavailable,
		hint: "the server is starting, waking or failing over: try again in a moment; if it stays so, check the instance's state in the workspace"},
	refusal.Unknown: {kind: KindConnectFailed},
}

// diagnose finds the part of err that explains most. That part alone becomes
// the cause: pgx's own wrapper holds the configuration, password included.
func diagnose(err error) diagnosis {
	var (
		pgErr *pgconn.PgError
		dns   *net.DNSError
		op    *net.OpError
		net   net.Error
	)
	tlsFailure, isTLS := diagnoseTLS(err)
	local, isLocal := diagnoseLocal(err)
	switch {
	case errors.As(err, &pgErr):
		d := refusals[refusal.Of(pgErr)]
		d.cause = pgErr
		return d
	case errors.Is(err, context.Canceled):
		return diagnosis{kind: KindConnectFailed, message: "cancelled", cause: context.Canceled}
	case isTLS:
		return tlsFailure
	case isLocal:
		return local
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

// isDropped reports whether the other side refused or cut the connection.
func isDropped(err error) bool {
	return slices.ContainsFunc([]error{
		syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EPIPE, io.ErrUnexpectedEOF,
	}, func(target error) bool { return errors.Is(err, target) })
}

// localFailures are those of this machine, which no server or network is the cause
// of. The first one that fits counts; op and network are "" for any.
var localFailures = []struct {
	op, network   string
	number        syscall.Errno
	message, hint string
}{
	{"", "", syscall.EMFILE, "this process has too many files open", "raise its limit (ulimit -n), or open fewer connections and files"},
	{"", "", syscall.ENFILE, "this machine has too many files open", "raise the system's limit, or end programs"},
	{"", "unix", syscall.EINVAL, "the path of the socket is too long", longSocketHint},
	{"", "unix", syscall.ENAMETOOLONG, "the path of the socket is too long", longSocketHint},
	{"listen", "", syscall.EADDRINUSE, "", "another program listens there: end that, or listen at another address"},
	{"listen", "", syscall.EADDRNOTAVAIL, "", "this machine has no such address: listen at one of its own"},
	{"listen", "", syscall.EACCES, "", "this user may not listen there: ports below 1024, and directories of others, need more rights"},
}

const longSocketHint = "name a shorter directory: the path of a socket has at most 107 bytes, on macOS 103"

// diagnoseLocal reports whether err is a failure of this machine, and which.
func diagnoseLocal(err error) (diagnosis, bool) {
	var (
		op      net.OpError
		pointer *net.OpError
		address *net.AddrError
	)
	if errors.As(err, &pointer) {
		op = *pointer
	}
	d := diagnosis{kind: KindConnectFailed, cause: innermost(err)}
	for _, f := range localFailures {
		if errors.Is(err, f.number) && (f.op == "" || f.op == op.Op) && (f.network == "" || f.network == op.Net) {
			d.message, d.hint = f.message, f.hint
			return d, true
		}
	}
	switch {
	case errors.As(err, &address):
		d.hint = "check the address: it is host:port, and a port is a number from 1 to 65535"
	case op.Op == "listen":
		d.hint = "check the address to listen at"
	case op.Op == "dial" && op.Net == "unix":
		d.kind, d.message, d.hint = KindUnavailable, "no server listens at the socket", "check that the server runs, and the directory and port of its socket"
	default:
		return diagnosis{}, false
	}
	return d, true
}

// innermost strips pgx's wrapper with the configuration in it, and what it says
// again: some modes try an address with TLS and without.
func innermost(err error) error {
	var wrapper *pgconn.ConnectError
	if !errors.As(err, &wrapper) {
		return err
	}
	err = wrapper.Unwrap()
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		err = errors.Join(slices.CompactFunc(slices.Clone(several.Unwrap()), func(a, b error) bool { return a.Error() == b.Error() })...)
	}
	return err
}

// refusedTLS is pgx's text for a server that answers N to SSLRequest; there
// is no type or value to ask for.
const refusedTLS = "server refused TLS connection"

// tlsFailures are the errors of a failed handshake.
var tlsFailures = []tlsFailure{
	failsWith[x509.UnknownAuthorityError]("the server's certificate is from an unknown authority",
		"set PGSSLROOTCERT to a file with the authority's certificate, if it is yours; if not, something between here and {host} intercepts TLS"),
	failsWith[x509.SystemRootsError]("this machine has no root certificates",
		"install the system's CA certificates, or set PGSSLROOTCERT to a file of them"),
	failsWith[x509.HostnameError]("the server's certificate is for another name",
		"connect by the name in the certificate, not by an address or alias (LAKEBASE_HOST, PGHOST)"),
	failsWith[x509.CertificateInvalidError]("the server's certificate is not valid",
		"check this machine's clock; if it is right, the server's certificate or the file in PGSSLROOTCERT needs replacing"),
	failsWith[*tls.CertificateVerificationError]("the server's certificate could not be verified",
		"set PGSSLROOTCERT to a file with the authority's certificate"),
	failsWith[tls.RecordHeaderError]("what answers does not speak TLS",
		"check {host} and the port: this is no Lakebase server, or a proxy in between is in the way"),
	failsWith[tls.AlertError]("the server ended the TLS handshake",
		"connect by host name, not by address, and check that nothing in between intercepts TLS"),
}

type tlsFailure struct {
	find          func(error) error // the error in another's tree, or nil
	message, hint string
}

func failsWith[E error](message, hint string) tlsFailure {
	return tlsFailure{func(err error) error {
		if e := *new(E); errors.As(err, &e) {
			return e
		}
		return nil
	}, message, hint}
}

// diagnoseTLS reports whether err is a failed TLS handshake, and which.
func diagnoseTLS(err error) (diagnosis, bool) {
	for _, f := range tlsFailures {
		cause := f.find(err)
		if record, ok := cause.(tls.RecordHeaderError); ok {
			cause = errors.New(record.Error()) // the error itself holds the connection
		}
		if cause != nil {
			return diagnosis{kind: KindTLS, message: f.message, hint: f.hint, cause: cause}, true
		}
	}
	if err != nil && strings.Contains(err.Error(), refusedTLS) {
		return diagnosis{kind: KindTLS, message: "the server offers no TLS", cause: errors.New(refusedTLS),
			hint: "check {host} and the port: Lakebase always offers TLS; for a server of your own use a static URL with its sslmode"}, true
	}
	return diagnosis{}, false
}

// loginError turns pgx's error of a failed login into an [Error]. An Error
// inside it, such as one from a hook, is returned as it is.
func loginError(err error, host, user, database string) error {
	if err == nil {
		return nil
	}
	if e := (*Error)(nil); errors.As(err, &e) {
		return e
	}
	d := diagnose(err)
	if direct, pooled := workspace.DirectHost(host); pooled && d.kind == KindTokenRejected {
		d.message, d.hint = "the service's pooler refused the token", "connect to the direct host, "+direct+": it takes tokens, and this library and lakebase proxy pool"
	}
	return &Error{
		Kind:     d.kind,
		Resource: host,
		Message:  d.message,
		Hint:     d.hintFor(host, user, database),
		Err:      d.cause,
	}
}
