package postgres

import (
	"fmt"
	"log/slog"
	"maps"
	"regexp"
	"slices"
)

// Script is SQL that runs once, as Admin, in a new data directory. Several
// statements run as one transaction; those that cannot, such as CREATE
// DATABASE, need a Script of their own.
type Script struct{ Database, SQL string }

// ClusterOptions describe what a new data directory starts with.
type ClusterOptions struct {
	// Scripts run in their order.
	Scripts []Script
	// Extensions are what Scripts may create beside the system's extensions.
	Extensions []Extension
	// HBA is the whole pg_hba.conf (local lines only). It must let Admin in
	// without a password: "local all lakebase_admin trust", and for CloneStandby
	// "local replication lakebase_admin trust". Empty means trust for everyone.
	HBA string
}

// StartOptions say how to run a server on an existing data directory.
type StartOptions struct {
	DataDir string
	// Durable is for data that must survive the machine: fsync is on. Commits do
	// not wait for it, so that a power failure, or Crash, may lose the last half
	// second of them, but never more. Without it nothing is lost but by a
	// failure of the machine, which then may lose all.
	Durable bool
	// Extensions must be those that the data directory was created with, and
	// may be more.
	Extensions []Extension
	// Settings are further server settings. They override all others and show
	// in the list of processes: no secrets.
	Settings map[string]string
	// Logger gets the server's own log at debug level; nil discards it.
	Logger *slog.Logger
}

var settingName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.]*$`)

// args are the server's arguments but for its directories.
func (o StartOptions) args() ([]string, error) {
	// Where a commit does not wait for a disk it may as well be written at once:
	// it is cheap, survives a crash, and reaches a standby without delay.
	fsync, commit := "off", "on"
	if o.Durable {
		fsync, commit = "on", "off"
	}
	args := []string{
		"-c", "listen_addresses=",
		"-c", "unix_socket_permissions=0700",
		"-c", "fsync=" + fsync,
		"-c", "full_page_writes=" + fsync,
		"-c", "synchronous_commit=" + commit,
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
