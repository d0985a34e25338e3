package interop

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/lib/pq"
)

func runPq(t *testing.T, v *via) report {
	t.Helper()
	return runGo(t, v, func(ctx context.Context) (goDriver, error) {
		connector, err := pq.NewConnector(v.dsn() + " application_name=" + v.name)
		if err != nil {
			return nil, err
		}
		db := sql.OpenDB(connector)
		db.SetMaxOpenConns(1)
		return &pqDriver{db}, db.PingContext(ctx)
	})
}

// pqDriver is a pool of one connection: lib/pq gives up one that it has
// canceled something on.
type pqDriver struct{ db *sql.DB }

func (d *pqDriver) exec(ctx context.Context, statement string) error {
	_, err := d.db.ExecContext(ctx, statement)
	return err
}

func (d *pqDriver) value(ctx context.Context, query string, args ...any) (string, error) {
	var value string
	err := d.db.QueryRowContext(ctx, query, args...).Scan(&value)
	return value, err
}

func (d *pqDriver) prepare(ctx context.Context, query string) (goStatement, error) {
	statement, err := d.db.PrepareContext(ctx, query)
	return pqStatement{statement}, err
}

type pqStatement struct{ statement *sql.Stmt }

func (s pqStatement) execute(ctx context.Context, arg int) (first, second string, err error) {
	err = s.statement.QueryRowContext(ctx, arg).Scan(&first, &second)
	return first, second, err
}

func (s pqStatement) close(context.Context) error { return s.statement.Close() }

// copyIn sends rows: lib/pq writes the lines itself.
func (d *pqDriver) copyIn(ctx context.Context, table string, lines []byte) error {
	tx, err := d.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // of what is committed, it does nothing
	statement, err := tx.PrepareContext(ctx, "copy "+table+" from stdin")
	if err != nil {
		return err
	}
	for line := range bytes.Lines(lines) {
		n, body, _ := strings.Cut(strings.TrimSuffix(string(line), "\n"), "\t")
		if _, err := statement.ExecContext(ctx, n, body); err != nil {
			return err
		}
	}
	if _, err := statement.ExecContext(ctx); err != nil {
		return err
	}
	return errors.Join(statement.Close(), tx.Commit())
}

// copyOut reads rows: lib/pq cannot COPY to the client.
func (d *pqDriver) copyOut(ctx context.Context, table string) (lines []byte, err error) {
	err = d.each(ctx, "select n || E'\\t' || body from "+table+" order by n", func(line string) {
		lines = fmt.Appendln(lines, line)
	})
	return lines, err
}

func (d *pqDriver) each(ctx context.Context, query string, row func(string)) error {
	rows, err := d.db.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var value string
		if err := rows.Scan(&value); err != nil {
			return err
		}
		row(value)
	}
	return rows.Err()
}

func (d *pqDriver) code(err error) string {
	var e *pq.Error
	if errors.As(err, &e) {
		return string(e.Code)
	}
	return ""
}

func (d *pqDriver) close() error { return d.db.Close() }
