package postgres

import (
	"fmt"
	"log/slog"
	"maps"
	"regexp"
	"slices"
)

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
	// Admin: "local all lakebase_admin trust", and for Clone and CloneStandby
	// "local replication lakebase_admin trust". Empty means trust for all.
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
