package proxy_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/proxy"
)

// sqlState returns the SQLSTATE of an error, "" if it has none.
func sqlState(err error) string {
	if e := (*pgconn.PgError)(nil); errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// outcome returns what a prepared statement returns, read as its description says.
func outcome(t *testing.T, conn *pgconn.PgConn, sd *pgconn.StatementDescription, parameters ...[]byte) string {
	formats := make([]int16, len(parameters))
	for i := range formats {
		formats[i] = pgx.BinaryFormatCode
	}
	result := conn.ExecStatement(t.Context(), sd, parameters, formats, nil).Read()
	if e := (*pgconn.PgError)(nil); errors.As(result.Err, &e) {
		return strings.Join([]string{e.Severity, e.Code, e.Message, e.Routine}, " ") // drivers look at each of them
	}
	if result.Err != nil {
		return result.Err.Error()
	}
	var out strings.Builder
	fmt.Fprint(&out, result.CommandTag)
	for _, row := range result.Rows {
		for i, value := range row {
			fmt.Fprintf(&out, " %s=%s", sd.Fields[i].Name, value)
		}
	}
	return out.String()
}

// Clients describe statements, others change the schema, and the statements run on each
// server connection of the pool, with the outcome that they have on a connection of their
// own.
func TestDescribedStatementsAfterAChangeOfTheSchema(t *testing.T) {
	t.Parallel()
	const servers = 4
	connector := newConnector(t, leaseInstance(t))
	r := startPooled(t, proxy.Config{Targets: map[string]*lakebase.Connector{"shop": connector}, DefaultPoolSize: servers})
	direct := connectTo(t, connector)
	exec(t, direct, "create table t (a int, b int default 5); insert into t values (1)")
	other := r.connect()
	// onEach calls f while ever fewer server connections are free.
	var holders [servers - 1]*pgx.Conn
	for i := range holders {
		holders[i] = r.connect()
	}
	onEach := func(f func()) {
		for _, first := range []int{0, 1, 2} {
			for i := range holders {
				exec(t, holders[(first+i)%len(holders)], "begin")
				f()
			}
			for i := range holders {
				exec(t, holders[(first+i)%len(holders)], "rollback")
				f()
			}
		}
	}
	onEach(func() {})

	statements := []struct {
		name, sql  string
		parameters [][]byte
	}{
		{"named", "select * from t", nil},
		{"update", "update t set a = $1 returning a", [][]byte{{0, 0, 0, 1}}},
		{"", "table t", nil},
	}
	type client struct {
		*pgconn.PgConn
		descriptions []*pgconn.StatementDescription
	}
	prepare := func(conn *pgconn.PgConn) client {
		c := client{PgConn: conn}
		for _, st := range statements {
			sd, err := conn.Prepare(t.Context(), st.name, st.sql, nil)
			if err != nil {
				t.Fatal(err)
			}
			c.descriptions = append(c.descriptions, sd)
		}
		return c
	}
	outcomes := func(c client) (out []string) {
		for i, st := range statements {
			out = append(out, outcome(t, c.PgConn, c.descriptions[i], st.parameters...))
		}
		return out
	}
	pooled, alone := prepare(r.connect().PgConn()), prepare(connectTo(t, connector).PgConn())
	check := func(after string) {
		t.Helper()
		want := outcomes(alone)
		onEach(func() {
			if got := outcomes(pooled); !slices.Equal(got, want) {
				t.Errorf("after %s: %q, a direct connection %q", after, got, want)
			}
		})
	}
	check("nothing")
	for i, change := range []string{
		"drop column b, add column c int default 77",
		"rename column c to b",
		"alter column b set default 5",
		"alter column b type bigint",
		"alter column b type int",
		"alter column a type bigint",
		"alter column a type int",
		"rename column b to d",
		"rename column d to b",
		"add column e text",
	} {
		by := []*pgx.Conn{direct, other}[i%2]
		exec(t, by, "alter table t "+change)
		check(change)
		pooled, alone = prepare(r.connect().PgConn()), prepare(connectTo(t, connector).PgConn())
		check("preparing anew after " + change)
	}
}

// While the columns of a table change, clients that keep descriptions read rows. None is
// read as what it is not: b is always 5, and c 77.
func TestNoRowIsReadByAnOldDescription(t *testing.T) {
	t.Parallel()
	r, direct := startAlone(t, proxy.Config{PoolMode: proxy.TransactionMode, DefaultPoolSize: 3})
	exec(t, direct, "create table t (a int, b int default 5); insert into t values (1), (2)")
	var clients sync.WaitGroup
	var ended atomic.Bool
	var rows, failures atomic.Int64
	reads := make(chan struct{}) // one for each that ends while a change waits for it
	values := map[string]int32{"b": 5, "c": 77}
	read := func(q interface {
		Query(context.Context, string, ...any) (pgx.Rows, error)
	}, mode pgx.QueryExecMode) error {
		found, err := q.Query(t.Context(), "select * from t where a > $1", mode, 0)
		if err != nil {
			return err
		}
		defer found.Close()
		for found.Next() {
			row, err := found.Values()
			if err != nil {
				return err
			}
			for i, field := range found.FieldDescriptions() {
				if want, ok := values[field.Name]; ok && row[i] != want {
					t.Errorf("%v: %s is %v", mode, field.Name, row[i])
				}
			}
			rows.Add(1)
		}
		return found.Err()
	}
	for i, mode := range []pgx.QueryExecMode{
		pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheStatement,
		pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec, pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol,
	} {
		conn := r.connect()
		clients.Go(func() {
			for n := 0; !ended.Load(); n++ {
				err := read(conn, mode)
				select {
				case reads <- struct{}{}:
				default:
				}
				if i > 0 && n%2 == 1 && err == nil {
					err = pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error { return errors.Join(read(tx, mode), read(tx, mode)) })
				}
				if sqlState(err) == "0A000" {
					failures.Add(1)
				} else if err != nil {
					t.Errorf("%v: %v", mode, err)
				}
			}
		})
	}
	other := r.connect()
	for i := range 60 {
		by := []*pgx.Conn{direct, other}[i/2%2]
		change := []string{"drop column b, add column c int default 77", "drop column c, add column b int default 5"}[i%2]
		exec(t, by, "alter table t "+change)
		for range 15 {
			<-reads
		}
	}
	ended.Store(true)
	clients.Wait()
	if failures.Load() == 0 {
		t.Error("no statement had a changed result")
	}
	t.Logf("%d rows, %d failures", rows.Load(), failures.Load())
}
