package refusal

import (
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// The texts are what the service and Postgres 14 to 18 send.
func TestOf(t *testing.T) {
	for _, test := range []struct {
		code, message string
		want          Reason
	}{
		{"53300", `too many connections for role "app"`, TooManyOfRole},
		{"53300", `too many connections for database "shop"`, TooManyOfDatabase},
		{"XX000", "Too many connections to this endpoint. Please wait.", TooManyOfEndpoint},
		{"53300", "sorry, too many clients already", TooManyConnections},
		{"53300", "a text of another version", TooManyConnections},
		{"XX000", "The endpoint has been disabled.", EndpointDisabled},
		{"28000", `no pg_hba.conf entry for host "10.0.0.1", user "u", database "d", no encryption`, PlaintextRefused},
		{"28000", `no pg_hba.conf entry for host "10.0.0.1", user "u", database "d", SSL encryption`, NoHBAEntry},
		{"XX000", "Endpoint ID is not specified.", EndpointUnspecified},
		{"XX000", "The requested endpoint could not be found.", EndpointNotFound},
		{"08P01", "SASL authentication failed", PasswordWanted},
		{"28P01", "Failed to decode token for role \"r\"", NotAToken},
		{"XX000", "Invalid authorization for Databricks identity login", TokenOfAnother},
		{"XX000", "JWT token has expired (exp=1700000000)", TokenExpired},
		{"XX000", "jwk not found", TokenOfOtherWorkspace},
		{"28P01", `password authentication failed for user "me"`, WrongPassword},
		{"28000", "something about authorization", NotAuthorized},
		{"28000", `role "me" does not exist`, RoleMissing},
		{"28000", `role "me" is not permitted to log in`, LoginNotPermitted},
		{"3D000", `database "shop" does not exist`, DatabaseMissing},
		{"42501", `permission denied for database "shop"`, ConnectNotGranted},
		{"42501", "permission denied for schema public", PrivilegeNotGranted},
		{"57P03", "the database system is starting up", Starting},
		{"XX000", "internal error", Unknown},
	} {
		if got := Of(&pgconn.PgError{Code: test.code, Message: test.message}); got != test.want {
			t.Errorf("%s %s: got %d, want %d", test.code, test.message, got, test.want)
		}
	}
}
