//go:build unix

package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
)

const controlFile = "global/pg_control"

// Clone copies the running server's data into dir, which must not exist,
// consistently and without disturbing it. Start the copy with
// Installation.Start. Tablespaces outside the data directory and standbys
// cannot be cloned.
func (s *Server) Clone(ctx context.Context, dir string) error {
	return s.cloneWith(ctx, dir, func(string) error { return nil })
}

// CloneStandby is Clone plus what makes the copy a hot standby that streams
// from s when started. A restart of s gives it another socket: start the standby
// anew then, with Settings["primary_conninfo"] = s.ConnInfo(). A standby
// that was away for long may need to be cloned anew, unless s has a setting
// such as wal_keep_size.
func (s *Server) CloneStandby(ctx context.Context, dir string) error {
	return s.cloneWith(ctx, dir, func(path string) error {
		return errors.Join(
			s.createFile(filepath.Join(path, "standby.signal"), ""),
			s.appendFile(filepath.Join(path, "postgresql.auto.conf"),
				"primary_conninfo = '"+strings.ReplaceAll(s.ConnInfo(), "'", "''")+"'\n"),
		)
	})
}

// ConnInfo is where a standby finds s, as a value of primary_conninfo. It holds
// for as long as s runs.
func (s *Server) ConnInfo() string {
	quote := strings.NewReplacer(`\`, `\\`, `'`, `\'`)
	return fmt.Sprintf("host='%s' port=%s user=%s application_name=lakebase_standby", quote.Replace(s.socketDir), port, Admin)
}

func (s *Server) cloneWith(ctx context.Context, dir string, finish func(path string) error) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	err = createDataDir(dir, func(path string) error {
		if err := s.backup(ctx, path); err != nil {
			return err
		}
		return finish(path)
	})
	if err != nil {
		return fmt.Errorf("clone %s: %w", s.dataDir, err)
	}
	return nil
}

// backup copies the data directory while the server writes to it: the log of
// what is written meanwhile makes the copy whole when it starts.
func (s *Server) backup(ctx context.Context, dir string) error {
	conn, err := s.Connect(ctx, "postgres")
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx)) // ends backup and slot if they have not ended
	if err := s.startBackup(ctx, conn); err != nil {
		return err
	}
	files := treeCopy{owner: s.account, skip: notInBackup, live: true}
	if err := files.run(ctx, s.dataDir, dir); err != nil {
		return err
	}
	if err := s.copyControlFile(dir); err != nil {
		return err
	}
	label, last, err := s.stopBackup(ctx, conn)
	if err != nil {
		return err
	}
	if err := s.copyWAL(ctx, dir, label, last); err != nil {
		return err
	}
	return s.createFile(filepath.Join(dir, "backup_label"), label)
}

func (s *Server) startBackup(ctx context.Context, conn *pgx.Conn) error {
	var standby bool
	if err := conn.QueryRow(ctx, "SELECT pg_is_in_recovery()").Scan(&standby); err != nil {
		return err
	}
	if standby {
		return errors.New("it is a standby: clone its primary")
	}
	// A temporary slot keeps the server from recycling log that the copy needs.
	slot := fmt.Sprintf("lakebase_clone_%d", conn.PgConn().PID())
	if _, err := conn.Exec(ctx, "SELECT pg_create_physical_replication_slot($1, true, true)", slot); err != nil {
		return err
	}
	start := "SELECT pg_backup_start('lakebase clone', true)"
	if s.major < 15 {
		start = "SELECT pg_start_backup('lakebase clone', true, false)"
	}
	_, err := conn.Exec(ctx, start)
	return err
}

// stopBackup returns the backup_label and the name of the last WAL file needed.
func (s *Server) stopBackup(ctx context.Context, conn *pgx.Conn) (label, last string, err error) {
	stop := "pg_backup_stop(false)"
	if s.major < 15 {
		stop = "pg_stop_backup(false, false)"
	}
	err = conn.QueryRow(ctx, "SELECT labelfile, pg_walfile_name(lsn) FROM "+stop).Scan(&label, &last)
	return label, last, err
}

// emptied are directories whose contents have no meaning in a copy.
var emptied = map[string]bool{
	"pg_wal":      true, // copied afterwards
	"pg_dynshmem": true, "pg_notify": true, "pg_replslot": true, "pg_serial": true,
	"pg_snapshots": true, "pg_stat_tmp": true, "pg_subtrans": true,
}

// left out are files that belong to the running server or to an earlier backup.
var leftOut = map[string]bool{
	"postmaster.pid": true, "postmaster.opts": true,
	"backup_label": true, "backup_label.old": true, "tablespace_map": true,
	"standby.signal": true, "recovery.signal": true, "postgresql.auto.conf.tmp": true,
	controlFile: true, // copied last
}

func notInBackup(path string) bool {
	name := filepath.Base(path)
	return emptied[filepath.Dir(path)] || leftOut[path] ||
		strings.HasPrefix(name, "pgsql_tmp") || strings.HasPrefix(name, "pg_internal.init")
}

// copyControlFile copies pg_control, in which a write may be caught half done:
// two readings that agree were not.
func (s *Server) copyControlFile(dir string) error {
	from := filepath.Join(s.dataDir, controlFile)
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	for {
		again, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		if bytes.Equal(text, again) {
			return s.createFile(filepath.Join(dir, controlFile), string(text))
		}
		text = again
	}
}

var labelStart = regexp.MustCompile(`START WAL LOCATION: \S+ \(file ([0-9A-F]{24})\)`)

// copyWAL copies the log from the start to the end of the backup.
func (s *Server) copyWAL(ctx context.Context, dir, label, last string) error {
	m := labelStart.FindStringSubmatch(label)
	if m == nil {
		return fmt.Errorf("backup label %q names no file", label)
	}
	first, wal := m[1], filepath.Join(dir, "pg_wal")
	files := treeCopy{owner: s.account, skip: func(path string) bool {
		history := strings.HasSuffix(path, ".history")
		return path != "." && !history && (len(path) != len(first) || path < first || path > last)
	}}
	if err := os.Remove(wal); err != nil { // empty, made anew with its contents
		return err
	}
	if err := files.run(ctx, filepath.Join(s.dataDir, "pg_wal"), wal); err != nil {
		return err
	}
	return files.mkdir(filepath.Join(wal, "archive_status"))
}

func (s *Server) createFile(path, text string) error {
	return treeCopy{owner: s.account}.write(path, strings.NewReader(text))
}

func (s *Server) appendFile(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return s.createFile(path, text)
	}
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
