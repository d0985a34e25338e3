package proxy_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	osexec "os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/proxy"
)

// pgbouncerColumns returns the columns of PgBouncer's SHOW commands, as columnsOf does.
func pgbouncerColumns(t *testing.T) map[string]string {
	t.Helper()
	table, err := os.ReadFile("testdata/pgbouncer-1.25.txt")
	if err != nil {
		t.Fatal(err)
	}
	columns := map[string]string{}
	for line := range strings.Lines(string(table)) {
		command, list, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if !ok {
			t.Fatalf("%q is no line of the table", line)
		}
		columns[command] = list
	}
	return columns
}

// mayBeNull are the columns that may be NULL: PgBouncer's own, and ours.
var mayBeNull = []string{"host", "force_user", "pool_mode", "load_balance_hosts", "default",
	"target", "pinned", "last_error", "console", "token_expiry", "token_seconds_left"}

// columnsOf returns the columns of a command and their types: "database text, cl_active
// int4". nulls are those that are NULL in a row.
func columnsOf(t *testing.T, conn *pgx.Conn, command string) (columns string, nulls []string, rows int) {
	t.Helper()
	result, err := conn.Query(t.Context(), command)
	if err != nil {
		t.Fatalf("%s: %v", command, err)
	}
	defer result.Close()
	var list []string
	for _, f := range result.FieldDescriptions() {
		kind, _ := conn.TypeMap().TypeForOID(f.DataTypeOID)
		list = append(list, f.Name+" "+kind.Name)
	}
	for result.Next() {
		rows++
		for i, f := range result.FieldDescriptions() {
			if result.RawValues()[i] == nil {
				nulls = append(nulls, f.Name)
			}
		}
	}
	if err := result.Err(); err != nil {
		t.Fatalf("%s: %v", command, err)
	}
	return strings.Join(list, ", "), nulls, rows
}

// Programs made for PgBouncer refuse columns that they do not know: ours have to be
// requested.
func TestConsoleColumnsArePgBouncers(t *testing.T) {
	t.Parallel()
	own := map[string]string{
		"SHOW POOLS":          "target text, cl_idle int4, sv_pinned int4, pool_size int4, paused int4, last_error text",
		"SHOW CLIENTS":        "target text, pinned text",
		"SHOW SERVERS":        "target text, pinned text",
		"SHOW SOCKETS":        "target text, pinned text",
		"SHOW ACTIVE_SOCKETS": "target text, pinned text",
		"SHOW STATS":          "total_client_login_count numeric, avg_client_login_count numeric",
		"SHOW STATS_TOTALS":   "client_login_count numeric",
		"SHOW STATS_AVERAGES": "avg_client_login_count numeric",
		"SHOW DATABASES":      "target text",
		"SHOW USERS":          "console text",
	}
	for _, mode := range []proxy.Mode{proxy.SessionMode, proxy.TransactionMode} {
		r := start(t, proxy.Config{PoolMode: mode})
		one[int](t, r.connect(), "SELECT 1")
		for _, protocol := range allModes {
			want := pgbouncerColumns(t)
			for _, missing := range []string{"SHOW DNS_HOSTS", "SHOW DNS_ZONES", "SHOW FDS", "SHOW PEERS", "SHOW PEER_POOLS"} {
				delete(want, missing)
			}
			want["SHOW HELP"] = "command text, meaning text" // a notice in PgBouncer
			want["SHOW PREPARED"] = "database text, statements int8, server_connections int8, prepared int8, max_prepared int8"
			want["SHOW TARGETS"] = "target text, is_default int8, host text, port int8, user text, database text, token text, token_expiry text, " +
				"token_seconds_left int8, tokens int8, credential_calls int8, credential_failures int8, token_rejections int8, " +
				"server_connections int8, max_server_connections int8, last_error text"
			for command, columns := range own {
				want[command+" EXTENDED"] = want[command] + ", " + columns
			}
			conn := r.consoleIn(protocol)
			var shown []string
			_, help := rowsOf(t, conn, "SHOW HELP")
			for _, line := range help {
				command, argument, _ := strings.Cut(line["command"].(string), " [")
				if !strings.HasPrefix(command, "SHOW ") {
					continue
				}
				shown = append(shown, command)
				if argument == "EXTENDED]" {
					shown = append(shown, command+" EXTENDED")
				}
			}
			if all := slices.Sorted(maps.Keys(want)); !slices.Equal(slices.Sorted(slices.Values(shown)), all) {
				t.Errorf("the help has %q, want %q", shown, all)
			}
			for _, command := range shown {
				columns, nulls, rows := columnsOf(t, conn, command)
				if columns != want[command] {
					t.Errorf("%s in %v:\ncolumns %s\nwant    %s", command, protocol, columns, want[command])
				}
				for _, name := range nulls {
					if !slices.Contains(mayBeNull, name) {
						t.Errorf("%s in %v: %s is NULL", command, protocol, name)
					}
				}
				if rows == 0 && !(mode == proxy.SessionMode && command == "SHOW PREPARED") {
					t.Errorf("%s in %v, %s mode: no rows", command, protocol, mode)
				}
			}
		}
	}
}

// The table has what PgBouncer 1.25 answers, where PGBOUNCER names that program.
func TestTableHasPgBouncersColumns(t *testing.T) {
	t.Parallel()
	program := os.Getenv("PGBOUNCER")
	if program == "" {
		t.Skip("PGBOUNCER names no program")
	}
	if out, err := osexec.Command(program, "--version").Output(); err != nil || !bytes.HasPrefix(out, []byte("PgBouncer 1.25.")) {
		t.Fatalf("%s is not PgBouncer 1.25: %s %v", program, out, err)
	}
	conn := startPgBouncer(t, program)
	for command, want := range pgbouncerColumns(t) {
		if columns, _, _ := columnsOf(t, conn, command); columns != want {
			t.Errorf("%s: %s", command, columns)
		}
	}
}

// startPgBouncer runs PgBouncer until the test ends, and returns a connection to its
// console.
func startPgBouncer(t *testing.T, program string) *pgx.Conn {
	t.Helper()
	dir, err := os.MkdirTemp("", "pgbouncer") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	file := filepath.Join(dir, "pgbouncer.ini")
	config := fmt.Sprintf("[databases]\nshop = host=127.0.0.1 port=1 user=me\n[pgbouncer]\nlisten_addr =\nunix_socket_dir = %s\nauth_type = any\nadmin_users = me\nignore_startup_parameters = extra_float_digits\n", dir)
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	args := []string{"-q", file}
	if os.Geteuid() == 0 { // PgBouncer refuses to run as root
		args = append([]string{"-u", "nobody"}, args...)
		if err := os.Chmod(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	cmd := osexec.Command(program, args...)
	log := &testkit.Buffer{}
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	cfg, err := pgx.ParseConfig("host=" + dir + " port=6432 user=me dbname=pgbouncer")
	if err != nil {
		t.Fatal(err)
	}
	cfg.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol // it knows no other one
	var conn *pgx.Conn
	testkit.Eventually(t, "PgBouncer opens its console", func() bool {
		conn, err = pgx.ConnectConfig(t.Context(), cfg)
		return err == nil
	})
	t.Cleanup(func() {
		conn.Close(context.Background())
		if t.Failed() {
			t.Log(log)
		}
	})
	return conn
}
