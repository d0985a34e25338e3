//go:build unix

package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const standbySignal = "standby.signal"

// Clone copies the data of the running server into dir, which must not exist.
// The copy is consistent, and the server goes on meanwhile. Start the copy with
// Installation.Start. A standby cannot be cloned.
func (s *Server) Clone(ctx context.Context, dir string) error { return s.backup(ctx, dir) }

// CloneStandby makes the copy a hot standby that streams from s. When s is
// restarted it has another socket: set primary_conninfo of the standby to
// ConnInfo then. A standby that has not run for a long time may need to be
// cloned again, unless s has a setting such as wal_keep_size.
func (s *Server) CloneStandby(ctx context.Context, dir string) error {
	return s.backup(ctx, dir, "--write-recovery-conf")
}

// ConnInfo is the value of primary_conninfo for a standby. It is valid as long
// as s runs.
func (s *Server) ConnInfo() string {
	quote := strings.NewReplacer(`\`, `\\`, `'`, `\'`)
	return fmt.Sprintf("host='%s' port=%s user=%s application_name=lakebase_standby", quote.Replace(s.socketDir), port, Admin)
}

// backup runs pg_basebackup, which installers put beside initdb.
func (s *Server) backup(ctx context.Context, dir string, options ...string) error {
	if _, err := os.Stat(filepath.Join(s.dataDir, standbySignal)); err == nil {
		return fmt.Errorf("clone %s: it is a standby: clone its primary", s.dataDir)
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	err = createDataDir(dir, s.account, func(path string) error {
		args := append([]string{"-d", s.ConnInfo(), "-D", path, "--checkpoint=fast", "--no-sync", "--no-manifest"}, options...)
		return s.in.run(ctx, s.account, "/", newServerLog(s.log.logger), "pg_basebackup", args...)
	})
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("clone %s: there is no pg_basebackup in %s: install PostgreSQL's client programs (Debian, Ubuntu: postgresql-client): %w", s.dataDir, s.in.BinDir, err)
	case err != nil:
		return fmt.Errorf("clone %s: %w", s.dataDir, err)
	}
	return nil
}
