package postgres

// binEnv names the one directory to take PostgreSQL from.
const binEnv = "LAKEBASE_POSTGRES_BIN"

// Installation is a PostgreSQL found on this machine. It is immutable.
type Installation struct {
	BinDir  string // holds postgres and initdb
	Version string // e.g. "15.18"
	Major   int

	build string // the whole version line, which tells packagings apart
}

// NotInstalledError says that no usable PostgreSQL was found and how to get one.
type NotInstalledError struct {
	Reason string // what was found instead
}

func (e *NotInstalledError) Error() string {
	return "no usable PostgreSQL here: " + e.Reason + "; install one " +
		"(Debian, Ubuntu: apt-get install postgresql; Fedora, RHEL: dnf install postgresql-server postgresql-contrib; " +
		"Alpine: apk add postgresql; macOS: brew install postgresql@17), " +
		"or set " + binEnv + " to the directory of its binaries, " +
		"or LAKEBASE_LOCAL_DATABASE_URL to a server that already runs"
}
