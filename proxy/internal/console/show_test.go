package console_test

import (
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

// The rows show the values of the snapshots.
func TestShowFormatsSnapshots(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	address := func(port int) net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port} }
	pool := snapshot.Pool{Target: "shop", Database: "shop", Mode: snapshot.TransactionMode,
		ClientsActive: 2, ClientsWaiting: 3, ClientsIdle: 4, ServersActive: 2, ServersPinned: 1, ServersIdle: 5, ServersResetting: 1, ServersConnecting: 1,
		Limit: 20, OldestWait: 1500 * time.Millisecond, Statements: 7, Prepared: 9,
		Totals: snapshot.Totals{Transactions: 10, Queries: 12, Received: 100, Sent: 200}}
	replicating := snapshot.Pool{Target: "shop", Database: "shop", Mode: snapshot.SessionMode, ClientsActive: 1, ServersActive: 1, Limit: 100,
		Totals: snapshot.Totals{Transactions: 1}}
	proxy := &fake{
		pools: []snapshot.Pool{replicating, pool},
		clients: []snapshot.Client{
			{Addr: address(1), State: snapshot.ClientLogin, Connected: began, Requested: began},
			{ID: 7, User: "ann", Target: "shop", Database: "shop", ApplicationName: "app", Addr: address(2), LocalAddr: address(6432), TLS: "TLSv1.3/X",
				Replication: "none", State: snapshot.ClientActive, Pinned: "LISTEN", Connected: began, Requested: began, ServerPID: 99},
		},
		servers: []snapshot.Server{{PID: 99, User: "dev", Target: "shop", Database: "shop", Addr: address(5432), State: snapshot.ServerPinned,
			Connected: began, Used: began, Prepared: 3, ClientID: 7, CloseNeeded: true}},
		targets: []snapshot.Target{{Name: "shop", Default: true, Host: "db.example.com", Port: 5432, User: "dev", Database: "databricks_postgres",
			ServerConns: 9, MaxTargetConnections: 100}, {Name: "unused", MaxTargetConnections: 100}},
	}
	conn := start(t, proxy).connect()
	for command, want := range map[string][]string{
		"SHOW POOLS":          {"shop|dev|7|3|0|0|3|0|1|5|0|0|1|1|500000|transaction|"},
		"SHOW POOLS EXTENDED": {"shop|dev|7|3|0|0|3|0|1|5|0|0|1|1|500000|transaction||shop|4|1|20|0|"},
		"show clients extended;": {
			"C|(nouser)|(nodb)|none|login|127.0.0.1|1||0|2026-01-02 03:04:05 UTC|2026-01-02 03:04:05 UTC|0|0|0|:client:0||0|||0|0||",
			"C|ann|shop|none|active|127.0.0.1|2|127.0.0.1|6432|2026-01-02 03:04:05 UTC|2026-01-02 03:04:05 UTC|0|0|0|shop:client:7|shop:server:99|0|TLSv1.3/X|app|0|7|shop|LISTEN"},
		"SHOW SERVERS EXTENDED": {"S|dev|shop|none|active|127.0.0.1|5432||0|2026-01-02 03:04:05 UTC|2026-01-02 03:04:05 UTC|0|0|1|shop:server:99|shop:client:7|99||app|3|99|shop|LISTEN"},
		"SHOW TARGETS":          {"shop|1|db.example.com|5432|dev|databricks_postgres|none|||0|0|0|0|9|100|", "unused|0|||||none|||0|0|0|0|0|100|"},
		"SHOW DATABASES EXTENDED": {"shop|db.example.com|5432|databricks_postgres|dev|0|0|0|0|transaction||0|9|0|10|0|0|shop",
			"unused||0||" + "|0|0|0|0|transaction||0|0|0|0|0|0|unused"},
		"SHOW PREPARED":              {"shop|7|8|9|0"},
		"SHOW STATS_TOTALS":          {"shop|0|11|12|100|200|0|0|0|0|0|0"},
		"SHOW STATS_TOTALS EXTENDED": {"shop|0|11|12|100|200|0|0|0|0|0|0|0"},
		"SHOW CONFIG":                {"default_pool_size|5|20|yes"},
		"SHOW USERS EXTENDED":        {"ann||||0|1|0|1|admin"},
		"SHOW STATE":                 {"active|yes", "paused|no", "suspended|no", "stopping|no"},
	} {
		if rows := rowsOf(t, conn, command)[1:]; !slices.Equal(rows, want) {
			t.Errorf("%s:\n%s\nwant\n%s", command, strings.Join(rows, "\n"), strings.Join(want, "\n"))
		}
	}
	if rows := rowsOf(t, conn, "SHOW ACTIVE_SOCKETS")[1:]; len(rows) != 2 || !strings.HasPrefix(rows[0], "C|ann|shop|none|cl_active|") || !strings.HasPrefix(rows[1], "S|dev|shop|none|sv_active|") {
		t.Errorf("SHOW ACTIVE_SOCKETS: %q", rows)
	}
}

// Numbers that PgBouncer's types do not hold break no command.
func TestShowFitsNumbersIntoTheirColumns(t *testing.T) {
	t.Parallel()
	proxy := &fake{
		pools:   []snapshot.Pool{{Target: "shop", Database: "shop", Limit: 1 << 40}},
		clients: []snapshot.Client{{ID: 1<<32 - 2, Target: "shop", Database: "shop"}},
	}
	for _, mode := range allModes {
		conn := start(t, proxy).connectAs("me", mode)
		for command, want := range map[string]string{"SHOW POOLS EXTENDED": "|2147483647|0|", "SHOW CLIENTS": "|-2"} { // -2 for KILL_CLIENT too
			if rows := rowsOf(t, conn, command); len(rows) != 2 || !strings.HasSuffix(rows[1], want) {
				t.Errorf("%s: %q", command, rows)
			}
		}
	}
}

// What clients call themselves has no effect on the terminal of an operator,
// whatever program prints the rows.
func TestShowHarmsNoTerminal(t *testing.T) {
	t.Parallel()
	proxy := &fake{clients: []snapshot.Client{{ID: 7, User: "a\x1b[2J", Target: "shop", Database: "d\u202e", ApplicationName: "x\u009b2J\xff",
		Addr: &net.TCPAddr{}, LocalAddr: &net.TCPAddr{}, State: snapshot.ClientActive}}}
	rows := strings.Join(rowsOf(t, start(t, proxy).connect(), "SHOW CLIENTS"), "\n")
	for _, want := range []string{`a\x1B[2J|`, `d\u202E|`, `x\u009B2J\xFF|`} {
		if !strings.Contains(rows, want) {
			t.Errorf("%q is not in %q", want, rows)
		}
	}
}
