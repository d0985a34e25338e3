package proxy_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/proxy"
)

// write sends messages as they are, and does not wait for answers.
func write(t testing.TB, conn *pgx.Conn, messages ...pgproto3.FrontendMessage) {
	t.Helper()
	var out []byte
	for _, m := range messages {
		var err error
		if out, err = m.Encode(out); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := conn.PgConn().Conn().Write(out); err != nil {
		t.Fatal(err)
	}
}

func vanish(conn *pgx.Conn) { conn.PgConn().Conn().Close() }

// What a client was at when it vanished.
var absences = map[string]func(*testing.T, *pgx.Conn){
	"in a query": func(t *testing.T, conn *pgx.Conn) {
		write(t, conn, &pgproto3.Query{String: "SELECT pg_sleep(60) -- vanished"})
	},
	"in a transaction": func(t *testing.T, conn *pgx.Conn) {
		exec(t, conn, "BEGIN")
		exec(t, conn, "INSERT INTO traces VALUES ('in a transaction')")
	},
	"in a failed transaction": func(t *testing.T, conn *pgx.Conn) {
		exec(t, conn, "BEGIN")
		exec(t, conn, "INSERT INTO traces VALUES ('in a failed transaction')")
		if _, err := conn.Exec(t.Context(), "SELECT 1/0"); sqlstate(err) != "22012" {
			t.Error(err)
		}
	},
	"in a transaction's query": func(t *testing.T, conn *pgx.Conn) {
		exec(t, conn, "BEGIN")
		exec(t, conn, "INSERT INTO traces VALUES ('in a transaction''s query')")
		write(t, conn, &pgproto3.Query{String: "SELECT pg_sleep(60) -- vanished"})
	},
	"in a query of several": func(t *testing.T, conn *pgx.Conn) {
		write(t, conn, &pgproto3.Query{String: "SELECT pg_sleep(60) -- vanished\n; INSERT INTO traces VALUES ('of several')"})
	},
	"in a pipeline": func(t *testing.T, conn *pgx.Conn) {
		write(t, conn, &pgproto3.Parse{Query: "SELECT pg_sleep(60) -- vanished"}, &pgproto3.Bind{}, &pgproto3.Execute{},
			&pgproto3.Parse{Query: "INSERT INTO traces VALUES ('in a pipeline')"}, &pgproto3.Bind{}, &pgproto3.Execute{}, &pgproto3.Sync{})
	},
	"before a sync": func(t *testing.T, conn *pgx.Conn) {
		write(t, conn, &pgproto3.Parse{Query: "INSERT INTO traces VALUES ('before a sync')"}, &pgproto3.Bind{}, &pgproto3.Execute{}, &pgproto3.Flush{})
	},
	"in a copy in": func(t *testing.T, conn *pgx.Conn) {
		write(t, conn, &pgproto3.Query{String: "COPY traces FROM STDIN"}, &pgproto3.CopyData{Data: []byte("in a copy in\n")})
	},
	"in a copy in of a transaction": func(t *testing.T, conn *pgx.Conn) {
		exec(t, conn, "BEGIN")
		write(t, conn, &pgproto3.Query{String: "COPY traces FROM STDIN"}, &pgproto3.CopyData{Data: []byte("in a copy in\n")})
	},
	"in a copy's row": func(t *testing.T, conn *pgx.Conn) {
		write(t, conn, &pgproto3.Query{String: "COPY traces FROM STDIN"})
		if _, err := conn.PgConn().Conn().Write([]byte("d\x00\x00\x00\xffhalf a row")); err != nil {
			t.Error(err)
		}
	},
	"in a copy out": func(t *testing.T, conn *pgx.Conn) {
		write(t, conn, &pgproto3.Query{String: "COPY (SELECT repeat('x', 1000), pg_sleep(0) FROM generate_series(1, 1000000)) TO STDOUT -- vanished"})
	},
	"in a large answer": func(t *testing.T, conn *pgx.Conn) {
		write(t, conn, &pgproto3.Query{String: "SELECT repeat('x', 1000) FROM generate_series(1, 1000000) -- vanished"})
	},
	"in half a message": func(t *testing.T, conn *pgx.Conn) {
		if _, err := conn.PgConn().Conn().Write([]byte("Q\x00\x00\x00\xffINSERT INTO traces VALUES ('half')")); err != nil {
			t.Error(err)
		}
	},
	"in half a message after a query": func(t *testing.T, conn *pgx.Conn) {
		write(t, conn, &pgproto3.Query{String: "SELECT pg_sleep(60) -- vanished"})
		if _, err := conn.PgConn().Conn().Write([]byte("Q\x00\x00\x00\xffINSERT INTO traces VALUES ('half')")); err != nil {
			t.Error(err)
		}
	},
}

// The query of a client that vanishes is canceled, and its server connection can
// be used by others.
func TestQueryOfAVanishedClientIsCanceled(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, mode proxy.Mode) {
		r, direct := startAlone(t, proxy.Config{PoolMode: mode, DefaultPoolSize: 2})
		exec(t, direct, "CREATE TABLE traces (what text)")
		stop := bystander(t, r)
		for name, absence := range absences {
			for how, end := range map[string]func(*pgx.Conn){"closed": vanish, "reset": reset} {
				conn := r.connect()
				absence(t, conn)
				end(conn)
				stopped(t, direct, "-- vanished")
				testkit.Eventually(t, name+", "+how+": the transaction is over", func() bool {
					return one[int](t, direct, "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'") == 0
				})
				if n := one[int](t, direct, "SELECT count(*) FROM traces"); n != 0 {
					t.Errorf("%s, %s: %d rows", name, how, n)
					exec(t, direct, "TRUNCATE traces")
				}
				testkit.Eventually(t, name+", "+how+": the client is forgotten", func() bool { return r.Stats().Clients == 1 })
			}
		}
		stop()
	})
}

// A client that vanishes within a transaction does not cost its server
// connection.
func TestServerConnectionSurvivesVanishedClients(t *testing.T) {
	t.Parallel()
	r, direct := startAlone(t, proxy.Config{PoolMode: proxy.TransactionMode, DefaultPoolSize: 1})
	exec(t, direct, "CREATE TABLE traces (what text)")
	pid := backend(t, r.connect())
	for _, name := range []string{"in a query", "in a transaction", "in a failed transaction", "in a transaction's query", "in a query of several",
		"in a pipeline", "in a copy out", "in a large answer"} {
		conn := r.connect()
		absences[name](t, conn)
		vanish(conn)
		if got := backend(t, r.connect()); got != pid {
			t.Errorf("%s: the server connection was replaced", name)
			pid = got
		}
	}
	if n := r.settled().Totals.ServerLogins; n != 1 {
		t.Errorf("%d logins", n)
	}
}

// Requests before Terminate are executed and answered.
func TestQueryBeforeTerminateIsAnswered(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, mode proxy.Mode) {
		r, direct := startAlone(t, proxy.Config{PoolMode: mode, DefaultPoolSize: 1})
		exec(t, direct, "CREATE TABLE wishes (n int)")
		var messages []byte
		for i := range 3 {
			messages, _ = (&pgproto3.Query{String: fmt.Sprint("INSERT INTO wishes VALUES (", i, "); SELECT pg_sleep(0.05), repeat('x', 300000)")}).Encode(messages)
		}
		messages, _ = (&pgproto3.Terminate{}).Encode(messages)
		for how, finish := range map[string]func(*net.TCPConn) error{
			"waits":       func(*net.TCPConn) error { return nil },
			"half closes": (*net.TCPConn).CloseWrite,
		} {
			raw := r.dial()
			login(t, pgproto3.NewFrontend(raw, raw), map[string]string{"user": "me", "database": "shop"})
			raw.Write(messages)
			if err := finish(raw.(*net.TCPConn)); err != nil {
				t.Fatal(err)
			}
			rest, err := io.ReadAll(raw)
			if n := strings.Count(string(rest), "SELECT 1\x00"); err != nil || n != 3 {
				t.Errorf("%s: %d answers, %v", how, n, err)
			}
		}
		raw := r.dial()
		login(t, pgproto3.NewFrontend(raw, raw), map[string]string{"user": "me", "database": "shop"})
		raw.Write(messages)
		raw.Close()
		testkit.Eventually(t, "every wish is fulfilled", func() bool { return one[int](t, direct, "SELECT count(*) FROM wishes") == 9 })
	})
}

// Terminate within a transaction rolls it back.
func TestTerminateRollsBackTheTransaction(t *testing.T) {
	t.Parallel()
	inModes(t, func(t *testing.T, mode proxy.Mode) {
		r, direct := startAlone(t, proxy.Config{PoolMode: mode, DefaultPoolSize: 1})
		exec(t, direct, "CREATE TABLE wishes (n int)")
		for range 5 {
			conn := r.connect()
			exec(t, conn, "BEGIN")
			exec(t, conn, "INSERT INTO wishes VALUES (1)")
			conn.Close(context.Background())
		}
		if n := one[int](t, r.connect(), "SELECT count(*) FROM wishes"); n != 0 {
			t.Errorf("%d wishes", n)
		}
	})
}
