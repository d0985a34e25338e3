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

// Mode says for how long a client has a server connection to itself.
type Mode string

// Modes of a [Server].
const (
	// SessionMode gives each client a server connection of its own.
	SessionMode Mode = snapshot.SessionMode
	// TransactionMode lends a client one for each transaction.
	TransactionMode Mode = snapshot.TransactionMode
)

// Config says where a [Server] listens, whom it lets in and where it leads.
// The zero value of each field means its default. Fields with a name of
// PgBouncer's mean what they mean there.
type Config struct {
	// Listen is the TCP address, host:port. Empty means 127.0.0.1:0, a free
	// port; "none" means no TCP. An address that is not on loopback needs
	// Users and TLS, and refuses clients that do not use TLS.
	Listen string
	// UnixSocketDir is a directory for the Unix socket .s.PGSQL.PORT, made with
	// mode 0700 if it does not exist. Empty means no Unix socket. PORT is
	// that of Listen, or 5432 without one.
	UnixSocketDir string
	// ClientTLS lets clients encrypt: its certificates are what they see. Nil
	// means that they cannot.
	ClientTLS *tls.Config
	// Users makes clients log in by SCRAM-SHA-256. Nil asks for no password
	// and accepts any user name.
	Users *Users

	// Targets are what clients can connect to, by name. At least one. The
	// Connectors remain their owner's to close, after the Server has ended;
	// those that a Reload removes the Server closes.
	Targets map[string]*lakebase.Connector
	// DefaultTarget is where database names lead that name no target. Empty
	// means the only target; with several, there is then no default.
	DefaultTarget string

	// Databases are those that clients may name, by target: a target that is
	// not among the keys lets them name any. Its own is always allowed. From a
	// target that is among the keys no client can replicate, which would read
	// all its databases.
	Databases map[string][]string
	// UserTargets are the targets that a user may reach: one that is not among
	// the keys may reach all. It needs Users.
	UserTargets map[string][]string
	// AllowSetRole lets clients set role and session_authorization as they
	// connect, in their start-up packet. By default that is refused (42501).
	// What SQL's SET ROLE may do is up to Postgres and the memberships of the
	// proxy's role, either way.
	AllowSetRole bool
	// AdminUsers may use the console, the database named pgbouncer, and
	// StatsUsers may look at it. Without Users, whoever can connect may do
	// either; with them, nobody who is not named here.
	AdminUsers, StatsUsers []string
	// HTTPListen is the TCP address, host:port, of the health checks, metrics
	// and the status page. They need no password and show no secret. Empty
	// means none.
	HTTPListen string

	// PoolMode is TransactionMode unless it is set.
	PoolMode Mode
	// DefaultPoolSize is how many server connections each database of a target may
	// have at once in transaction mode, those to replicate and those of pinned
	// clients included. Zero means 20.
	DefaultPoolSize int
	// MinPoolSize is how many of them are kept open although nobody asks for
	// them, once the first client has come. Zero means none.
	MinPoolSize int
	// MaxPreparedStatements is how many statements a server connection keeps prepared.
	// Zero means 200.
	MaxPreparedStatements int
	// MaxClientConn is how many clients may be connected at once. Zero means 1000.
	MaxClientConn int
	// MaxTargetConnections is how many server connections each target may have at
	// once. Who finds all taken waits for its turn. Zero means 100.
	MaxTargetConnections int
	// ClientLoginTimeout bounds the time from a client's first byte to its login,
	// without the wait for the database. Zero means 60 seconds.
	ClientLoginTimeout time.Duration
	// QueryWaitTimeout is how long a client may wait for a server connection to
	// become free. Zero means 2 minutes.
	QueryWaitTimeout time.Duration
	// ServerConnectTimeout bounds the login upstream, the wake-up of a sleeping
	// database included. Zero means 60 seconds; a Connector's own timeout
	// counts if it is shorter.
	ServerConnectTimeout time.Duration
	// ClientIdleTimeout ends sessions without an open transaction after so much
	// silence. Zero means never.
	ClientIdleTimeout time.Duration
	// ServerLifetime is the age at which a server connection of transaction
	// mode is replaced, give or take a tenth. Zero means an hour.
	ServerLifetime time.Duration
	// ServerIdleTimeout closes server connections of transaction mode that
	// nobody has used for so long. Zero means 10 minutes.
	ServerIdleTimeout time.Duration
	// TrustFunctions says that the functions of the databases leave nothing in
	// a session. Otherwise their sources are read in transaction mode, and
	// what uses those that may leave something is looked after.
	TrustFunctions bool
	// NetworkTimeout is how long the network to a server may be silent where
	// an answer of its TCP is due, before the connection counts as lost. Zero
	// means 30 seconds.
	NetworkTimeout time.Duration
	// DrainDelay is how long Shutdown goes on as before, but for the readiness
	// check, which fails at once: load balancers that watch it have turned to
	// others by then. Zero means no delay.
	DrainDelay time.Duration

	// OnReload is called when the console is told to RELOAD: it should read the
	// configuration anew and give it to [Server.Reload]. The console tells its
	// error. Nil means that there is nothing to reload.
	OnReload func() error

	// Logger receives failures and, at debug level, each connection; never a
	// secret. Nil means slog.Default().
	Logger *slog.Logger
}

// withDefaults returns a copy of c that is complete and valid.
func (c Config) withDefaults() (Config, error) {
	c.Listen = cmp.Or(c.Listen, "127.0.0.1:0")
	c.PoolMode = cmp.Or(c.PoolMode, TransactionMode)
	c.DefaultPoolSize = cmp.Or(c.DefaultPoolSize, 20)
	c.MaxPreparedStatements = cmp.Or(c.MaxPreparedStatements, 200)
	c.QueryWaitTimeout = cmp.Or(c.QueryWaitTimeout, 2*time.Minute)
	c.ServerLifetime = cmp.Or(c.ServerLifetime, time.Hour)
	c.ServerIdleTimeout = cmp.Or(c.ServerIdleTimeout, 10*time.Minute)
	c.NetworkTimeout = cmp.Or(c.NetworkTimeout, 30*time.Second)
	c.MaxClientConn = cmp.Or(c.MaxClientConn, 1000)
	c.MaxTargetConnections = cmp.Or(c.MaxTargetConnections, 100)
	c.ClientLoginTimeout = cmp.Or(c.ClientLoginTimeout, time.Minute)
	c.ServerConnectTimeout = cmp.Or(c.ServerConnectTimeout, time.Minute)
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

func (c *Config) validate() error {
	switch {
	case c.PoolMode != SessionMode && c.PoolMode != TransactionMode:
		return fmt.Errorf("proxy: there is no mode %q: use %q or %q", c.PoolMode, SessionMode, TransactionMode)
	case len(c.Targets) == 0:
		return errors.New("proxy: no target: name at least one")
	case c.DefaultTarget != "" && c.Targets[c.DefaultTarget] == nil:
		return fmt.Errorf("proxy: the default target %q is not among the targets", c.DefaultTarget)
	case min(c.MaxClientConn, c.MaxTargetConnections, c.DefaultPoolSize, c.MinPoolSize, c.MaxPreparedStatements) < 0:
		return errors.New("proxy: a limit is negative: use zero for its default")
	case min(c.ClientLoginTimeout, c.ServerConnectTimeout, c.QueryWaitTimeout, c.ClientIdleTimeout, c.ServerLifetime, c.ServerIdleTimeout, c.NetworkTimeout, c.DrainDelay) < 0:
		return errors.New("proxy: a timeout is negative: use zero for its default")
	case c.Listen == noTCP && c.UnixSocketDir == "":
		return errors.New("proxy: nowhere to listen: give an address or a directory for the Unix socket")
	}
	for name, connector := range c.Targets {
		if name == console.Database {
			return fmt.Errorf("proxy: a target cannot be called %s: that name leads to the console", name)
		}
		if name == "" || connector == nil || strings.ContainsRune(name, 0) {
			return fmt.Errorf("proxy: target %q needs a name and a connector", name)
		}
	}
	if err := c.validateAccess(); err != nil {
		return err
	}
	return c.validateListen()
}

// noTCP is the Listen of a proxy with a Unix socket alone.
const noTCP = "none"

func (c *Config) validateListen() error {
	if _, _, err := net.SplitHostPort(c.HTTPListen); c.HTTPListen != "" && err != nil {
		return fmt.Errorf("proxy: HTTP address %q is not host:port", c.HTTPListen)
	}
	if c.Listen == noTCP {
		return nil
	}
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return fmt.Errorf("proxy: listen address %q is not host:port", c.Listen)
	}
	if !isLoopback(host) && (c.Users == nil || c.ClientTLS == nil) {
		return fmt.Errorf("proxy: %s is not a loopback address: other machines may connect only with both client authentication and TLS", c.Listen)
	}
	return nil
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}
