package postgres

import "sync"

// binEnv is the variable with the directory of PostgreSQL's programs.
const binEnv = "LAKEBASE_POSTGRES_BIN"

// Installation is a PostgreSQL on this machine. It is safe for concurrent use.
type Installation struct {
	BinDir  string // has postgres and initdb
	Version string // e.g. "15.18"
	Major   int

	build string // the whole version line, which differs between packagings

	mu     sync.Mutex
	layout *layout // nil until it is needed
}

// NotInstalledError is the error if there is no usable PostgreSQL. Its text says
// how to install one.
type NotInstalledError struct {
	Reason string // what there is instead
}

func (e *NotInstalledError) Error() string {
	return "no usable PostgreSQL here: " + e.Reason + "; install one " +
		"(Debian, Ubuntu: apt-get install postgresql; Fedora, RHEL: dnf install postgresql-server postgresql-contrib; " +
		"Alpine: apk add postgresql; macOS: brew install postgresql@17), " +
		"or set " + binEnv + " to the directory of its binaries, " +
		"or LAKEBASE_LOCAL_DATABASE_URL to a server that already runs"
}
