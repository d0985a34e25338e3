// Package postgres runs real PostgreSQL servers: it finds an installation,
// initialises data directories, starts, stops and clones servers, and ends them
// with this process. Servers listen on a private Unix socket only.
//
// # Which PostgreSQL
//
// LAKEBASE_POSTGRES_BIN, if set, is the directory of the programs. Otherwise
// every directory that has both postgres and initdb is considered: those on
// PATH, the one that pg_config prints, then the places of distributions,
// Homebrew, Postgres.app and the EDB installer. The major versions are preferred
// in the order 17, 16, 18, 15, 14, and within a version the first directory.
// Find asks the programs once per process.
//
// # Which user
//
// PostgreSQL refuses to run as root. If this process is root's, new data
// directories belong to the user who called sudo, else to postgres, else to
// nobody. A server runs as the owner of its data directory.
//
// # What is cached
//
// PostgreSQL takes most of a second to create a data directory, so this is done
// once and the result is copied. The templates are in LAKEBASE_CACHE_DIR, by
// default /var/cache/lakebase for root and lakebase in the user's cache
// directory otherwise. The directory may be deleted while no server runs.
//
// # What happens when this process ends
//
// Its servers shut down, even after SIGKILL: on Linux the kernel signals them, on
// other systems a small shell process that waits for the end of a pipe.
package postgres

import (
	"fmt"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"sync"
)

// Admin is the superuser of every server this package initialises.
const Admin = "cloud_admin"

// port is part of the name of a server's socket. Servers do not use TCP.
const port = "5432"

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

// layout has the directories of an installation.
type layout struct {
	bin   string
	share string
	lib   string // of loadable modules
	root  string // longest common parent of the others
}

// notInstalled is the error if there is no usable PostgreSQL. Its parameter is
// what there is instead.
const notInstalled = "no usable PostgreSQL here: %s; install one " +
	"(Debian, Ubuntu: apt-get install postgresql; Fedora, RHEL: dnf install postgresql-server postgresql-contrib; " +
	"Alpine: apk add postgresql; macOS: brew install postgresql@17), " +
	"or set " + binEnv + " to the directory of its binaries, " +
	"or LAKEBASE_LOCAL_DATABASE_URL to a server that already runs"

// Script is SQL that Admin runs once in a new data directory. Its statements run
// in one transaction; one that cannot, such as CREATE DATABASE, needs a Script of
// its own.
type Script struct{ Database, SQL string }

// ClusterOptions are the initial content of a data directory.
type ClusterOptions struct {
	// Scripts run in their order.
	Scripts []Script
	// Extensions can be created by Scripts, in addition to the system's.
	Extensions []Extension
	// HBA is the complete pg_hba.conf, with local lines only. It must trust
	// Admin: "local all cloud_admin trust", and for Clone and CloneStandby
	// "local replication cloud_admin trust". Empty means trust for all.
	HBA string
}

// StartOptions configure a server on an existing data directory.
type StartOptions struct {
	DataDir string
	// Durable turns fsync on, for data that must survive a failure of the
	// machine. Otherwise such a failure may lose everything; nothing else loses
	// data.
	Durable bool
	// Extensions must include those of the data directory's ClusterOptions.
	Extensions []Extension
	// Settings are further server settings, which override all others. They are
	// visible in the list of processes: no secrets.
	Settings map[string]string
	// Logger gets the server's own log at debug level; nil discards it.
	Logger *slog.Logger
}

var settingName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.]*$`)

// args returns the server's arguments except for its directories.
func (o StartOptions) args() ([]string, error) {
	fsync := "off"
	if o.Durable {
		fsync = "on"
	}
	args := []string{
		"-c", "listen_addresses=",
		"-c", "unix_socket_permissions=0700",
		"-c", "fsync=" + fsync,
		"-c", "full_page_writes=" + fsync,
		"-c", "synchronous_commit=on", // a crash, as in a failover, must not lose acknowledged commits
		"-c", "max_connections=100",
		"-c", "dynamic_shared_memory_type=mmap", // containers have little /dev/shm
		"-c", "timezone=UTC",
		"-c", "log_timezone=UTC",
		"-c", "log_line_prefix=",
		"-c", "log_min_error_statement=panic", // statements may contain passwords
	}
	for _, name := range slices.Sorted(maps.Keys(o.Settings)) {
		if !settingName.MatchString(name) {
			return nil, fmt.Errorf("%q is not the name of a PostgreSQL setting", name)
		}
		args = append(args, "-c", name+"="+o.Settings[name])
	}
	return args, nil
}

// Extension is an extension in SQL that servers have in addition to the system's.
// The system's directories are not changed.
type Extension struct {
	Name    string
	Version string
	Control string // text of Name.control
	SQL     string // text of Name--Version.sql
}

// extensionWord matches names and versions, which become part of file names.
var extensionWord = regexp.MustCompile(`^[A-Za-z0-9_.]+$`)

// files returns the names and texts of the files that make up the extension.
func (e Extension) files() (map[string]string, error) {
	if !extensionWord.MatchString(e.Name) || !extensionWord.MatchString(e.Version) {
		return nil, fmt.Errorf("extension %q version %q: both must be letters, digits, _ and . only", e.Name, e.Version)
	}
	return map[string]string{
		e.Name + ".control":                e.Control,
		e.Name + "--" + e.Version + ".sql": e.SQL,
	}, nil
}
