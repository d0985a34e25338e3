package proxy

import (
	"errors"
	"net"
	"strconv"
	"time"

	"github.com/lakebase-go/lakebase/internal/settings"
)

func init() {
	settings.OfProxy = func(config any) settings.Table { return config.(*Config).table() }
}

// table returns the settings of c, in the order of the command's help. SHOW
// CONFIG lists them by the same names. The rest of Config is no plain value and
// has no line here.
func (c *Config) table() settings.Table {
	return settings.Table{
		{Name: "listen", Value: addressValue(&c.Listen, noTCP), Default: "127.0.0.1:0", Restart: true,
			Usage: "TCP address, or none"},
		{Name: "so_reuseport", Value: settings.Bool(&c.SoReuseport), Default: "false", Restart: true,
			Usage: "let other proxies listen on the same TCP address, on Linux"},
		{Name: "unix_socket_dir", Value: settings.Text(&c.UnixSocketDir, nil), Restart: true,
			Usage: "directory for a Unix socket, created with mode 0700"},
		{Name: "http_listen", Value: addressValue(&c.HTTPListen, ""), Restart: true,
			Usage: "TCP address of health checks, metrics and the status page"},
		{Name: "debug", Value: settings.Bool(&c.Debug), Default: "false",
			Usage: "show Go's profiles there, at /debug/pprof/, to this machine alone"},
		{Name: "default_target", Value: settings.Text(&c.DefaultTarget, nil),
			Usage: "target of all other database names (default TARGET, or the only one)"},
		{Name: "admin_users", Value: settings.Names(&c.AdminUsers, nil),
			Usage: "users who may use the console, separated by commas"},
		{Name: "stats_users", Value: settings.Names(&c.StatsUsers, nil),
			Usage: "users who may use SHOW in the console, separated by commas"},
		{Name: "allow_set_role", Value: settings.Bool(&c.AllowSetRole), Default: "false",
			Usage: "let clients set a role as they connect"},
		{Name: "pool_mode", Value: settings.Word(&c.PoolMode, SessionMode, TransactionMode), Default: string(TransactionMode), Restart: true,
			Usage: "how long a client keeps its server connection: session or transaction"},
		{Name: "default_pool_size", Value: settings.Number(&c.DefaultPoolSize, 1, settings.NoLimit), Default: "20",
			Usage: "server connections for each database of a target, in transaction mode"},
		{Name: "min_pool_size", Value: settings.Number(&c.MinPoolSize, 0, settings.NoLimit), Default: "0",
			Usage: "server connections that stay open while idle, in transaction mode"},
		{Name: "max_target_connections", Value: settings.Number(&c.MaxTargetConnections, 1, settings.NoLimit), Default: "100",
			Usage: "server connections for each target"},
		{Name: "max_client_conn", Value: settings.Number(&c.MaxClientConn, 1, settings.NoLimit), Default: "1000",
			Usage: "client connections"},
		{Name: "max_prepared_statements", Value: settings.Number(&c.MaxPreparedStatements, 1, settings.NoLimit), Default: "200",
			Usage: "prepared statements that each server connection keeps"},
		{Name: "trust_functions", Value: settings.Bool(&c.TrustFunctions), Default: "false",
			Usage: "assume that functions leave no state in a session, in transaction mode"},
		{Name: "server_reset_query_always", Value: settings.Bool(&c.ServerResetQueryAlways), Default: "false",
			Usage: "reset a server connection before another client uses it, in transaction mode"},
		{Name: "client_login_timeout", Value: timeoutValue(&c.ClientLoginTimeout), Default: "60",
			Usage: "time for a client to log in"},
		{Name: "client_idle_timeout", Value: optional(&c.ClientIdleTimeout), Default: "0",
			Usage: "disconnect clients that are idle for so long outside a transaction; 0 for never"},
		{Name: "query_wait_timeout", Value: timeoutValue(&c.QueryWaitTimeout), Default: "120",
			Usage: "time that a client may wait for a server connection, and stay within a message that it has begun"},
		{Name: "server_connect_timeout", Value: timeoutValue(&c.ServerConnectTimeout), Default: "60",
			Usage: "time to log in to the server, including the wake-up of the database"},
		{Name: "server_lifetime", Value: timeoutValue(&c.ServerLifetime), Default: "3600",
			Usage: "age at which a server connection is replaced, in transaction mode"},
		{Name: "server_idle_timeout", Value: timeoutValue(&c.ServerIdleTimeout), Default: "600",
			Usage: "close server connections that are unused for so long, in transaction mode"},
		{Name: "network_timeout", Value: timeoutValue(&c.NetworkTimeout), Default: "30",
			Usage: "close server connections whose network is silent for so long"},
		{Name: "drain_delay", Value: optional(&c.DrainDelay), Default: "0",
			Usage: "time to continue after the first signal, while the readiness check fails"},
	}
}

// timeoutValue is a time that is not zero, which means the default.
func timeoutValue(field *time.Duration) settings.Value {
	return settings.Duration(field, time.Millisecond, settings.Longest, "")
}

// optional is a time that may be zero.
func optional(field *time.Duration) settings.Value {
	return settings.Duration(field, 0, settings.Longest, "")
}

// addressValue is host:port; the word none is written as the field has it.
func addressValue(field *string, none string) settings.Value {
	return settings.NewValue("address", func(text string) error {
		if text == "none" {
			*field = none
			return nil
		}
		_, port, err := net.SplitHostPort(text)
		if _, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil {
			return errors.New("want host:port, or none")
		}
		*field = text
		return nil
	}, func() string { return *field })
}
