package proxy_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lakebase-go/lakebase/proxy"
)

// droppers are texts of a client that drop statements of the server's whose names it has
// found out: NAME is one.
var droppers = []string{
	`deallocate NAME`,
	`deallocate prepare "NAME"`,
	`select 1; deallocate NAME`,
	`begin; deallocate NAME; commit`,
	`do $$begin execute 'deallocate NAME'; end$$`,
	`do $$begin execute 'deallocate all'; end$$`,
	`do $$begin execute format('deallocate %I', 'NAME'); end$$`,
	`do $$begin deallocate all; end$$`,
	`select drop_one('NAME')`,
	`select drop_all()`,
	`select drop_static()`,
	`select 1 where drop_all() is not null; select 2`,
	`select query_to_xml('select drop_all()', true, true, '')`,
	`deallocate all`,
	`discard all`,
}

var functionsThatDrop = []string{
	`create function drop_one(name text) returns text language plpgsql as $$begin execute 'deallocate ' || quote_ident(name); return name; end$$`,
	`create function drop_all() returns text language plpgsql as $$begin execute 'deallo' || 'cate all'; return ''; end$$`,
	`create function drop_static() returns text language plpgsql as $$begin deallocate all; return ''; end$$`,
}

// One client drops prepared statements in ways that the proxy does not read. Another one,
// which has prepared some, never learns of it.
func TestStatementsThatAnotherClientDropsAreBack(t *testing.T) {
	t.Parallel()
	r, direct := startAlone(t, proxy.Config{PoolMode: proxy.TransactionMode, DefaultPoolSize: 1})
	for _, f := range functionsThatDrop {
		exec(t, direct, f)
	}
	first, second := r.connect().PgConn(), r.connect()
	for _, name := range []string{"a", "b", "c"} {
		if _, err := first.Prepare(t.Context(), name, "select '"+name+"'", nil); err != nil {
			t.Fatal(err)
		}
	}
	check := func(after string) {
		t.Helper()
		for _, name := range []string{"a", "b", "c"} {
			result := first.ExecPrepared(t.Context(), name, nil, nil, nil).Read()
			if result.Err != nil || string(result.Rows[0][0]) != name {
				t.Errorf("%s after %s: %v", name, after, result.Err)
			}
		}
	}
	check("nothing")
	for _, dropper := range droppers {
		for _, way := range []string{"simple", "unnamed", "named"} {
			var name string
			row := second.QueryRow(t.Context(), `select name from pg_prepared_statements where statement = 'select ''b''' order by prepare_time desc`, pgx.QueryExecModeSimpleProtocol)
			if err := row.Scan(&name); err != nil {
				t.Fatal(err)
			}
			text := strings.ReplaceAll(dropper, "NAME", name)
			if way != "simple" && strings.Contains(text, ";") && !strings.Contains(text, "$$") {
				continue // several statements
			}
			err := run(t, second.PgConn(), way, text)
			if isAlone := strings.HasPrefix(dropper, "deallocate") && dropper != "deallocate all"; isAlone && way != "named" {
				if e := (*pgconn.PgError)(nil); !errors.As(err, &e) || e.Code != "26000" {
					t.Errorf("%s: %v", text, err)
				}
			} else if err != nil {
				t.Errorf("%s: %v", text, err)
			}
			check(way + " " + text)
		}
	}
}

// run runs a text in one of the ways of the protocol.
func run(t *testing.T, conn *pgconn.PgConn, way, text string) error {
	var err error
	switch way {
	case "simple":
		_, err = conn.Exec(t.Context(), text).ReadAll()
	case "unnamed":
		err = conn.ExecParams(t.Context(), text, nil, nil, nil, nil).Read().Err
	case "named":
		if _, err = conn.Prepare(t.Context(), "run", text, nil); err == nil {
			err = conn.ExecPrepared(t.Context(), "run", nil, nil, nil).Read().Err
			_ = conn.Deallocate(t.Context(), "run")
		}
	}
	return err
}
