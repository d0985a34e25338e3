package local

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/lakebase-go/lakebase/local/internal/model"
)

// HostNaming is the kind of host names in the REST API.
type HostNaming string

const (
	// MachineNames are names and addresses that every program on this machine
	// can resolve: localhost for the default target; for others name.localhost
	// where the system resolves that, else an address of 127.0.0.0/8.
	MachineNames HostNaming = "machine"
	// ServiceNames are names like the service's, which only this server's name
	// server resolves (see Server.DNSAddr).
	ServiceNames HostNaming = "service"
)

// Options configure a local Lakebase. With the zero value it is ephemeral, uses
// free ports, and has one instance and one project.
type Options struct {
	// DataDir is the directory of all data. Empty means a temporary directory,
	// which Close removes.
	DataDir string
	// RESTAddr is host:port of the REST API, on loopback. Empty means
	// 127.0.0.1:0, any free port.
	RESTAddr string
	// PostgresAddr is host:port of the frontend, on loopback. Empty means
	// 127.0.0.1:0, any free port; "auto" means port 5432 if it is free, or else
	// any.
	PostgresAddr string
	// HostNames is the kind of host names. Empty means MachineNames.
	HostNames HostNaming
	// User is the name of the workspace's default user. Empty means that of
	// DataDir or, if that is new, dev@example.com.
	User string
	// Instances and Projects are created if they do not exist. The default target
	// is the first instance, or else the first project. If both are empty and
	// DataDir is new, there are "my-project", which is the default, and "my-instance".
	Instances []string
	Projects  []string
	// Principals are further identities of the workspace, which are created if
	// they do not exist: email addresses of users, or names of service principals.
	Principals []string
	// PGVersion is the major version of PostgreSQL that the API reports and accepts
	// for new projects. Zero means the installed one, which runs in any case.
	PGVersion int
	// RESTTLS makes the address of the REST API an https URL. It answers to both.
	RESTTLS bool
	// TokenLifetime is the lifetime of new database tokens, unless the request
	// has one. Zero means one hour.
	TokenLifetime time.Duration
	// SuspendAfter is the idle time after which an Autoscaling endpoint is scaled
	// to zero. Zero means never.
	SuspendAfter time.Duration
	// WakeDelay is added to each start of an Autoscaling endpoint.
	WakeDelay time.Duration
	// DatabaseURL is a PostgreSQL server that already runs, to use as a
	// superuser in place of own servers. There is one instance then, and there
	// are no projects, branches, standbys, scale to zero, stops and failovers.
	DatabaseURL string
	// Faults are the faults in force at first.
	Faults Faults
	// Logger receives the log. Nil means discard.
	Logger *slog.Logger
}

// The default instance and project of a new workspace.
const (
	defaultInstance = "my-instance"
	defaultProject  = "my-project"
)

// withDefaults checks o and sets defaults.
func (o Options) withDefaults() (Options, error) {
	switch o.HostNames {
	case "":
		o.HostNames = MachineNames
	case MachineNames, ServiceNames:
	default:
		return o, fmt.Errorf("host naming %q is not known: use %q or %q", o.HostNames, MachineNames, ServiceNames)
	}
	if o.RESTAddr == "" {
		o.RESTAddr = "127.0.0.1:0"
	}
	if o.TokenLifetime == 0 {
		o.TokenLifetime = time.Hour
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	switch {
	case o.TokenLifetime < 0 || o.SuspendAfter < 0 || o.WakeDelay < 0:
		return o, errors.New("TokenLifetime, SuspendAfter and WakeDelay must not be negative")
	case o.PGVersion != 0 && (o.PGVersion < 16 || o.PGVersion > 18):
		return o, fmt.Errorf("PGVersion must be 16, 17 or 18, as on the service, not %d", o.PGVersion)
	case o.DatabaseURL != "" && len(o.Projects) > 0:
		return o, errors.New("projects are not available with DatabaseURL: name an instance, or leave DatabaseURL out")
	case o.DatabaseURL != "" && len(o.Instances) > 1:
		return o, errors.New("DatabaseURL is one server, so there can be only one instance: name one, or leave DatabaseURL out")
	case o.DatabaseURL != "" && (o.SuspendAfter > 0 || o.WakeDelay > 0):
		return o, errors.New("scale to zero is not available with DatabaseURL: leave SuspendAfter and WakeDelay out")
	}
	if err := checkNames(append(slices.Clone(o.Instances), o.Projects...)); err != nil {
		return o, err
	}
	return o, requireLoopback("REST address", o.RESTAddr)
}

// checkNames refuses names that the service does not accept, before anything is
// created. An instance becomes a project of the same name when it is upgraded, so
// that all names must differ.
func checkNames(names []string) error {
	for i, name := range names {
		if err := model.CheckID("name", name); err != nil {
			return err
		}
		if slices.Contains(names[:i], name) {
			return fmt.Errorf("instance or project %q is named twice", name)
		}
	}
	return nil
}

// DefaultDataDir returns the data directory of `lakebase local`:
// LAKEBASE_LOCAL_DIR if set; for root /var/lib/lakebase/local; otherwise
// lakebase/local in the user's data directory ($XDG_DATA_HOME, ~/.local/share, on
// macOS ~/Library/Application Support).
func DefaultDataDir() (string, error) {
	if dir := os.Getenv("LAKEBASE_LOCAL_DIR"); dir != "" {
		return filepath.Abs(dir)
	}
	if os.Geteuid() == 0 {
		return "/var/lib/lakebase/local", nil
	}
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "lakebase", "local"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("no home directory: set LAKEBASE_LOCAL_DIR: %w", err)
	}
	if runtime.GOOS == "darwin" {
		return filepath.Join(home, "Library", "Application Support", "lakebase", "local"), nil
	}
	return filepath.Join(home, ".local", "share", "lakebase", "local"), nil
}
