package compute

import (
	"context"
	"fmt"
	"net"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lakebase-go/lakebase/internal/pgurl"
)

// externalServer is a server that this program does not run.
type externalServer struct{ config *pgx.ConnConfig }

// openExternal prepares the server at url, which may have been prepared before.
func openExternal(ctx context.Context, url string) (*externalServer, error) {
	config, err := pgurl.ConnConfig(url)
	if err != nil {
		return nil, fmt.Errorf("database URL: %w", err)
	}
	e := &externalServer{config}
	if err := e.prepare(ctx); err != nil {
		return nil, fmt.Errorf("prepare the server at the database URL: %w", err)
	}
	return e, nil
}

func (e *externalServer) prepare(ctx context.Context) error {
	conn, err := pgx.ConnectConfig(ctx, e.config.Copy())
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	var super, exists bool
	err = conn.QueryRow(ctx, `SELECT rolsuper, EXISTS (SELECT FROM pg_database WHERE datname = $1)
FROM pg_roles WHERE rolname = current_user`, DefaultDatabase).Scan(&super, &exists)
	if err != nil {
		return err
	}
	if !super {
		return fmt.Errorf("role %q is not a superuser: give the URL of one", e.config.User)
	}
	sql := []string{createRolesSQL}
	if !exists {
		sql = append(sql, createDatabaseSQL)
	}
	if err := execAll(ctx, conn, sql...); err != nil {
		return err
	}
	db, err := e.Connect(ctx, DefaultDatabase)
	if err != nil {
		return err
	}
	defer db.Close(ctx)
	return execAll(ctx, db, prepareDatabaseSQL, installSQL)
}

// Dial opens a raw connection.
func (e *externalServer) Dial(ctx context.Context) (net.Conn, error) {
	network, address := pgconn.NetworkAddress(e.config.Host, e.config.Port)
	var d net.Dialer
	return d.DialContext(ctx, network, address)
}

// Connect logs in as the URL's superuser.
func (e *externalServer) Connect(ctx context.Context, database string) (*pgx.Conn, error) {
	config := e.config.Copy()
	config.Database = database
	return pgx.ConnectConfig(ctx, config)
}
