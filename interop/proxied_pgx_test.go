package interop

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
)

func ofModule(path string) func(*testing.T) string {
	return func(t *testing.T) string { return moduleVersion(t, path) }
}

func runPgx(t *testing.T, v *via) report {
	t.Helper()
	return runGo(t, v, func(ctx context.Context) (goDriver, error) {
		config, err := pgx.ParseConfig(v.dsn())
		if err != nil {
			return nil, err
		}
		config.RuntimeParams["application_name"] = v.name
		config.StatementCacheCapacity = 3
		// By default a context that ends takes the connection with it.
		config.BuildContextWatcherHandler = func(conn *pgconn.PgConn) ctxwatch.Handler {
			return &pgconn.CancelRequestContextWatcherHandler{Conn: conn, DeadlineDelay: programTimeout}
		}
		conn, err := pgx.ConnectConfig(ctx, config)
		if err != nil {
			return nil, err
		}
		return &pgxDriver{conn}, nil
	})
}

type pgxDriver struct{ conn *pgx.Conn }

func (d *pgxDriver) exec(ctx context.Context, sql string) error {
	_, err := d.conn.Exec(ctx, sql)
	return err
}

func (d *pgxDriver) value(ctx context.Context, sql string, args ...any) (string, error) {
	var value any
	err := d.conn.QueryRow(ctx, sql, args...).Scan(&value)
	return fmt.Sprint(value), err
}

func (d *pgxDriver) prepare(ctx context.Context, sql string) (goStatement, error) {
	_, err := d.conn.Prepare(ctx, "mine", sql)
	return pgxStatement{d.conn}, err
}

// pgxStatement is the one that is called mine.
type pgxStatement struct{ conn *pgx.Conn }

func (s pgxStatement) execute(ctx context.Context, arg int) (first, second string, err error) {
	err = s.conn.QueryRow(ctx, "mine", strconv.Itoa(arg)).Scan(&first, &second)
	return first, second, err
}

func (s pgxStatement) close(ctx context.Context) error { return s.conn.Deallocate(ctx, "mine") }

func (d *pgxDriver) copyIn(ctx context.Context, table string, lines []byte) error {
	_, err := d.conn.PgConn().CopyFrom(ctx, bytes.NewReader(lines), "copy "+table+" from stdin")
	return err
}

func (d *pgxDriver) copyOut(ctx context.Context, table string) ([]byte, error) {
	var out bytes.Buffer
	_, err := d.conn.PgConn().CopyTo(ctx, &out, "copy "+table+" to stdout")
	return out.Bytes(), err
}

func (d *pgxDriver) each(ctx context.Context, sql string, row func(string)) error {
	rows, err := d.conn.Query(ctx, sql)
	if err != nil {
		return err
	}
	var value string
	_, err = pgx.ForEachRow(rows, []any{&value}, func() error {
		row(value)
		return nil
	})
	return err
}

func (d *pgxDriver) code(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

func (d *pgxDriver) close() error { return d.conn.Close(context.Background()) }
