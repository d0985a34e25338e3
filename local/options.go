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

// HostNaming says which host names the REST API gives out.
type HostNaming string

const (
	// MachineNames are names and addresses that any program on this machine
	// can resolve: localhost for the default instance, name.localhost where
	// the system resolves it, else an address of 127.0.0.0/8.
	MachineNames HostNaming = "machine"
	// ServiceNames look like the service's own and resolve only through
	// this server's name server (see Server.DNSAddr).
	ServiceNames HostNaming = "service"
)

// Options configure a local Lakebase. The zero value is an ephemeral one on
// free ports with one instance and one project.
type Options struct {
	// DataDir keeps everything between runs. Empty means a temporary
	// directory that is removed by Close.
	DataDir string
	// RESTAddr is where the workspace API listens, loopback only. Empty
	// means 127.0.0.1:0.
	RESTAddr string
	// PostgresAddr is where the front listens, loopback only. Empty means
	// 127.0.0.1:0. "auto" means port 5432 if it is free, else any.
	PostgresAddr string
	// HostNames; empty means MachineNames.
	HostNames HostNaming
	// User is the human identity of the workspace's default user. Empty
	// means dev@example.com, or who it was when DataDir was made.
	User string
	// Instances and Projects to create if they do not exist. Both empty
	// means instance "my-instance" and project "my-project", unless DataDir
	// has something already. The first instance is the default one, else
	// the first project.
	Instances []string
	Projects  []string
	// TokenLifetime of new database tokens where the request names none.
	// Zero means one hour.
	TokenLifetime time.Duration
	// SuspendAfter scales an idle Autoscaling endpoint to zero. Zero means never.
	SuspendAfter time.Duration
	// WakeDelay is added to each wake-up of an Autoscaling endpoint.
	WakeDelay time.Duration
	// DatabaseURL uses a PostgreSQL server that already runs, as superuser,
	// in place of servers of our own. There is one instance then, and no
	// project, branch, standby, scale to zero, stop or failover.
	DatabaseURL string
	// Faults to start with.
	Faults Faults
	// Logger; nil means discard.
	Logger *slog.Logger
}

// The names of what a new workspace has when nobody said otherwise.
const (
	defaultInstance = "my-instance"
	defaultProject  = "my-project"
)

// withDefaults checks o and fills what it leaves open.
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

// checkNames refuses names that the service would, before anything is begun.
// An upgraded instance is a project of its name, so they share one space.
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

// DefaultDataDir is where `lakebase local` keeps its data: LAKEBASE_LOCAL_DIR
// if set; else, for root, /var/lib/lakebase/local; else lakebase/local in
// the user's data directory ($XDG_DATA_HOME, ~/.local/share, on macOS
// ~/Library/Application Support).
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
