package proxy

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/proxy/internal/console"
	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

// Mode is how long a client keeps its server connection: PgBouncer's pool_mode.
type Mode string

// Modes of a [Server].
const (
	// SessionMode links each client to a server connection until it disconnects.
	SessionMode Mode = snapshot.SessionMode
	// TransactionMode links a client to a server connection for each transaction.
	TransactionMode Mode = snapshot.TransactionMode
)

// Config says where a [Server] listens, which clients it accepts, and which
// targets it connects them to. The zero value of each field means its default.
// Fields with a name of PgBouncer's mean what they mean there.
type Config struct {
	// Listen is the TCP address, host:port, or "none". Empty means 127.0.0.1:0,
	// a free port. An address that is not on loopback needs Users and ClientTLS,
	// and refuses clients without TLS.
	Listen string
	// SoReuseport lets other processes of the same user listen on the same TCP address,
	// among which Linux distributes the clients. Other systems refuse it.
	SoReuseport bool
	// UnixSocketDir is the directory of the Unix socket .s.PGSQL.PORT, created
	// with mode 0700 if it does not exist. PORT is that of Listen, or 5432
	// without one. Empty means no Unix socket.
	UnixSocketDir string
	// Listeners are open TCP and Unix sockets, which the Server accepts clients from in
	// place of Listen and UnixSocketDir, and closes. The same rules apply to TCP addresses
	// that are not on loopback. Access to the Unix sockets is up to the caller.
	Listeners []net.Listener
	// ClientTLS has the certificate that clients see. Nil refuses TLS.
	ClientTLS *tls.Config
	// Users makes clients log in by SCRAM-SHA-256. Nil asks for no password
	// and accepts any user name.
	Users *Users

	// Targets are what clients can connect to, by name. At least one is
	// required. The caller closes the Connectors after the Server has ended; the
	// Server closes those that a Reload removes.
	Targets map[string]*lakebase.Connector
	// DefaultTarget is the target of database names that name no target. Empty
	// means the only target, or none if there are several.
	DefaultTarget string

	// Databases are the databases that clients may name, by target, besides the
	// target's own. A target without an entry allows all. Clients cannot
	// replicate from a target with an entry: replication reads all databases.
	Databases map[string][]string
	// UserTargets are the targets that each user may connect to. A user without
	// an entry may connect to all. It needs Users.
	UserTargets map[string][]string
	// AllowSetRole lets clients set role and session_authorization in their
	// startup packet, which is otherwise refused (42501). SET ROLE in SQL is up
	// to Postgres and the memberships of the proxy's role in either case.
	AllowSetRole bool
	// AdminUsers may use the console, the database named pgbouncer, and
	// StatsUsers may use SHOW there. Without Users, every client may use all
	// of it; with Users, only the users named here.
	AdminUsers, StatsUsers []string
	// HTTPListen is the TCP address, host:port, of health checks, metrics and
	// the status page, which ask for no password and show no secret. Empty means
	// none.
	HTTPListen string
	// Debug shows profiles of Go's runtime there, below /debug/pprof/, to programs on the
	// same machine.
	Debug bool
	// OnQuit is called by a POST of /quitquitquit there, from the same machine. It should
	// end the Server, and must not wait. Nil answers 404.
	OnQuit func()

	// PoolMode is how long a client keeps its server connection. Empty means
	// TransactionMode.
	PoolMode Mode
	// DefaultPoolSize is the most server connections of each database of a
	// target in transaction mode, including those of replication and of pinned
	// clients. Zero means 20.
	DefaultPoolSize int
	// MinPoolSize is how many of them stay open while idle, once the first
	// client has connected. Zero means none.
	MinPoolSize int
	// MaxPreparedStatements is how many prepared statements a server connection
	// keeps. Zero means 200.
	MaxPreparedStatements int
	// MaxClientConn is the most clients that may be connected. Zero means 1000.
	MaxClientConn int
	// MaxTargetConnections is the most server connections of each target, for
	// which clients wait in order of arrival. Zero means 100.
	MaxTargetConnections int
	// ClientLoginTimeout bounds the time from a client's first byte to its login,
	// without the wait for the database. Zero means 60 seconds.
	ClientLoginTimeout time.Duration
	// QueryWaitTimeout bounds the wait for a server connection, and in transaction
	// mode that for the rest of a message that a client has begun. Zero means 2
	// minutes.
	QueryWaitTimeout time.Duration
	// ServerConnectTimeout bounds the login to the server, including the wake-up
	// of a sleeping database. Zero means 60 seconds. A Connector's own timeout
	// applies if it is shorter.
	ServerConnectTimeout time.Duration
	// ClientIdleTimeout disconnects clients that are idle for so long outside a
	// transaction. Zero means never.
	ClientIdleTimeout time.Duration
	// ServerLifetime is the age, give or take a tenth, at which a server
	// connection of transaction mode is replaced. Zero means an hour.
	ServerLifetime time.Duration
	// ServerIdleTimeout closes server connections of transaction mode that are
	// unused for so long. Zero means 10 minutes.
	ServerIdleTimeout time.Duration
	// TrustFunctions assumes that the functions of the databases leave no state
	// in a session. Otherwise transaction mode reads their sources, and checks
	// the session after each statement that may use one that does.
	TrustFunctions bool
	// ServerResetQueryAlways resets a server connection of transaction mode each time
	// that another client is linked to it. Otherwise that happens between clients that
	// have authenticated as different users, and after texts that are not known to
	// leave nothing behind.
	ServerResetQueryAlways bool
	// NetworkTimeout is how long a server's TCP may leave data unacknowledged
	// before the connection counts as lost. Zero means 30 seconds.
	NetworkTimeout time.Duration
	// DrainDelay is how long Shutdown continues to serve new clients while the
	// readiness check already fails, so that load balancers stop sending them.
	DrainDelay time.Duration

	// OnReload is called by the console's RELOAD, which reports its error. It
	// should read the configuration again and pass it to [Server.Reload]. Nil
	// refuses RELOAD.
	OnReload func() error

	// Logger receives failures and, at debug level, each connection; never a
	// secret. Nil means slog.Default().
	Logger *slog.Logger
}

// withDefaults returns a copy of c that is complete and valid.
func (c Config) withDefaults() (Config, error) {
	table := c.table()
	table.ApplyDefaults()
	if s, err := table.Check(); err != nil {
		return c, fmt.Errorf("proxy: %s: %q: %w", s.Name, s.Value, err)
	}
	c.Logger = cmp.Or(c.Logger, slog.Default())
	c.Targets = maps.Clone(c.Targets)
	c.cloneAccess()
	if c.DefaultTarget == "" && len(c.Targets) == 1 {
		c.DefaultTarget = slices.Collect(maps.Keys(c.Targets))[0]
	}
	if c.ClientTLS != nil {
		c.ClientTLS = c.ClientTLS.Clone()
		c.ClientTLS.NextProtos = []string{"postgresql"}
	}
	return c, c.validate()
}

// validate checks what no single setting shows.
func (c *Config) validate() error {
	switch {
	case len(c.Targets) == 0:
		return errors.New("proxy: no target: want at least one")
	case c.DefaultTarget != "" && c.Targets[c.DefaultTarget] == nil:
		return fmt.Errorf("proxy: default_target: unknown target %q", c.DefaultTarget)
	case c.Listen == noTCP && c.UnixSocketDir == "" && len(c.Listeners) == 0:
		return errors.New("proxy: nothing to listen on: listen is none and unix_socket_dir is empty")
	case c.HTTPListen == "" && (c.Debug || c.OnQuit != nil):
		return errors.New("proxy: debug and quitquitquit need http_listen")
	}
	for name, connector := range c.Targets {
		if name == console.Database {
			return fmt.Errorf("proxy: target %q: the name is reserved for the console", name)
		}
		if name == "" || connector == nil || strings.ContainsRune(name, 0) {
			return fmt.Errorf("proxy: target %q: want a name and a connector", name)
		}
	}
	if err := c.validateAccess(); err != nil {
		return err
	}
	for _, address := range c.tcpAddresses() {
		host, _, _ := net.SplitHostPort(address) // the table has checked its form
		if !isLoopback(host) && (c.Users == nil || c.ClientTLS == nil) {
			return fmt.Errorf("proxy: %s is not a loopback address: other machines may connect only with both client authentication and TLS", address)
		}
	}
	return nil
}

// tcpAddresses returns the TCP addresses that clients can connect to.
func (c *Config) tcpAddresses() (list []string) {
	if len(c.Listeners) == 0 && c.Listen != noTCP {
		return []string{c.Listen}
	}
	for _, l := range c.Listeners {
		if tcp, ok := l.Addr().(*net.TCPAddr); ok {
			list = append(list, tcp.String())
		}
	}
	return list
}

// noTCP is the Listen of a proxy with a Unix socket alone.
const noTCP = "none"

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

// validateAccess refuses unknown names: a mistyped one must not take effect as a
// missing rule.
func (c *Config) validateAccess() error {
	for target := range c.Databases {
		if c.Targets[target] == nil {
			return fmt.Errorf("proxy: databases: unknown target %q", target)
		}
	}
	for user, targets := range c.UserTargets {
		if c.Users == nil {
			return fmt.Errorf("proxy: user_targets of %q needs auth_file: without passwords the user name is not verified", user)
		}
		if !c.Users.has(user) {
			return fmt.Errorf("proxy: user_targets: unknown user %q: not in auth_file", user)
		}
		for _, target := range targets {
			if c.Targets[target] == nil {
				return fmt.Errorf("proxy: user_targets of %q: unknown target %q", user, target)
			}
		}
	}
	for _, user := range slices.Concat(c.AdminUsers, c.StatsUsers) {
		if c.Users != nil && !c.Users.has(user) {
			return fmt.Errorf("proxy: admin_users and stats_users: unknown user %q: not in auth_file", user)
		}
	}
	return nil
}

// cloneAccess replaces the caller's lists by copies.
func (c *Config) cloneAccess() {
	c.Databases, c.UserTargets = maps.Clone(c.Databases), maps.Clone(c.UserTargets)
	for _, lists := range []map[string][]string{c.Databases, c.UserTargets} {
		for name, list := range lists {
			lists[name] = slices.Clone(list)
		}
	}
	c.AdminUsers, c.StatsUsers = slices.Clone(c.AdminUsers), slices.Clone(c.StatsUsers)
}

// needsRestart refuses changes that cannot be made while the proxy runs.
func (c *Config) needsRestart(next *Config) error {
	var changed []string
	future := next.table()
	for i, s := range c.table() {
		if was, will := s.Text(), future[i].Text(); s.Restart && was != will {
			changed = append(changed, fmt.Sprintf("%s from %q to %q", s.Name, was, will))
		}
	}
	if changed != nil {
		return fmt.Errorf("proxy: to change %s needs a restart; nothing was changed", strings.Join(changed, ", "))
	}
	return nil
}
