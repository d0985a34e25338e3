// Package refusal recognises why a Postgres server refused a login. What a
// refusal means and what to do about it is for its callers to say: the library
// in a sentence, the doctor with what it knows beyond the error.
package refusal

import (
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// Reason is why a server refused a login.
type Reason int

// The reasons. Unknown is that of every other error, of a server or not.
const (
	Unknown             Reason = iota
	TooManyOfRole              // the role's own CONNECTION LIMIT
	TooManyOfDatabase          // the database's own CONNECTION LIMIT
	TooManyOfEndpoint          // the limit of the endpoint
	TooManyConnections         // max_connections, or an unknown limit
	EndpointDisabled           // no login wakes it
	EndpointNotFound           // the host name leads to none
	EndpointUnspecified        // the login came without a host name (SNI)
	PlaintextRefused           // the server takes TLS only
	PasswordWanted             // a native password (SASL) instead of a token
	NotAToken                  // what came as a password cannot be read as a token
	TokenOfAnother             // the token has expired, or belongs to another identity
	TokenExpired
	TokenOfOtherWorkspace // the audience or the key is not the server's
	WrongPassword         // or a role that does not log in with tokens
	NotAuthorized         // 28000 without a text that says more
	RoleMissing
	LoginNotPermitted // the role has NOLOGIN
	NoHBAEntry        // pg_hba.conf has no line for the login
	DatabaseMissing
	ConnectNotGranted   // CONNECT on the database
	PrivilegeNotGranted // 42501 on anything else
	Starting            // or waking, or stopping, or failing over
)

// rules are tried in order: texts that say more stand before codes that say
// less. The service reports many refusals as XX000, so that only the text
// differs. Texts are lower case and match anywhere in message and detail.
var rules = []struct {
	reason Reason
	texts  []string
	codes  []string
}{
	{reason: TooManyOfRole, texts: []string{"too many connections for role"}},
	{reason: TooManyOfDatabase, texts: []string{"too many connections for database"}},
	{reason: TooManyOfEndpoint, texts: []string{"too many connections to this endpoint"}},
	{reason: TooManyConnections, codes: []string{"53300"},
		texts: []string{"too many connections", "too many clients", "too many database connection attempts", "remaining connection slots"}},
	{reason: EndpointDisabled, texts: []string{"endpoint is disabled", "endpoint has been disabled"}},
	{reason: PlaintextRefused, texts: []string{"invalid protocol version", "connection is insecure", "no encryption"}},
	{reason: EndpointUnspecified, texts: []string{"endpoint id is not specified"}},
	{reason: EndpointNotFound, texts: []string{"endpoint could not be found", "endpoint not found"}},
	{reason: PasswordWanted, texts: []string{"sasl authentication failed"}},
	{reason: NotAToken, texts: []string{"failed to decode token", "not a valid jwt encoding"}},
	{reason: TokenOfAnother, texts: []string{"invalid authorization for databricks identity"}},
	{reason: TokenExpired, texts: []string{"jwt token has expired", "token is expired", "token has expired"}},
	{reason: TokenOfOtherWorkspace, texts: []string{"invalid jwt token audience", "jwk not found"}},
	{reason: LoginNotPermitted, texts: []string{"is not permitted to log in"}},
	{reason: NoHBAEntry, texts: []string{"no pg_hba.conf entry"}},
	{reason: DatabaseMissing, codes: []string{"3D000"}},
	{reason: ConnectNotGranted, texts: []string{"permission denied for database"}},
	{reason: Starting, codes: []string{"57P01", "57P02", "57P03"},
		texts: []string{"the database system is", "couldn't connect to compute node", "endpoint is starting", "endpoint is stopped", "instance is stopped", "instance is starting"}},
	{reason: WrongPassword, codes: []string{"28P01"}, texts: []string{"password authentication failed"}},
	{reason: PrivilegeNotGranted, codes: []string{"42501"}},
	{reason: NotAuthorized, codes: []string{"28000"}},
}

// missingRole matches either style of quotes; "does not exist" alone could
// be about a database.
var missingRole = regexp.MustCompile(`role ["'].*["'] does not exist`)

// Of returns the reason that e gives.
func Of(e *pgconn.PgError) Reason {
	text := strings.ToLower(e.Message + " " + e.Detail)
	if missingRole.MatchString(text) {
		return RoleMissing
	}
	for _, r := range rules {
		if slices.ContainsFunc(r.texts, func(t string) bool { return strings.Contains(text, t) }) || slices.Contains(r.codes, e.Code) {
			return r.reason
		}
	}
	return Unknown
}
