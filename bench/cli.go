package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/lakebase-go/lakebase/internal/postgres"
)

// commandLine measures a command that does almost nothing, and one that gets a
// token from the workspace, logs in and runs one statement, beside psql, which is
// given a token.
func (b *bench) commandLine(ctx context.Context) ([]row, error) {
	dir, err := os.MkdirTemp("/tmp", "lakebase-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	lakebase, err := builtLakebase(ctx, dir, b.lakebase)
	if err != nil {
		return nil, err
	}
	psql, err := findPsql(ctx)
	if err != nil {
		return nil, err
	}
	conn := b.bare.ConnConfig
	libpq := []string{
		"PGHOST=" + conn.Host, fmt.Sprintf("PGPORT=%d", conn.Port), "PGUSER=" + conn.User, "PGPASSWORD=" + conn.Password,
		"PGDATABASE=" + conn.Database, "PGSSLMODE=verify-full", "PGSSLROOTCERT=" + b.server.RootCertFile(),
	}
	var rows []row
	for _, m := range []struct {
		what       string
		ours, peer side
		atMost     time.Duration
	}{
		{"lakebase version (peer: psql --version)",
			runs(lakebase, nil, "version"), runs(psql, nil, "--version"), 30 * time.Millisecond},
		{"lakebase query 'select 1', its token included (peer: psql -c 'select 1', with a token at hand)",
			runs(lakebase, nil, "query", "select 1"), runs(psql, libpq, "-X", "-c", "select 1"), 150 * time.Millisecond},
	} {
		c, err := b.pair(ctx, m.ours, m.peer)
		if err != nil {
			return nil, err
		}
		r := c.row(m.what, 0)
		r.Group, r.Target, r.Met = groupCLI, "under "+m.atMost.String(), c.ours < m.atMost
		rows = append(rows, r)
	}
	return rows, nil
}

// findPsql finds psql itself: Debian's on the PATH is a script that finds it,
// which takes longer than the rest.
func findPsql(ctx context.Context) (string, error) {
	in, err := postgres.Find(ctx)
	if err != nil {
		return "", err
	}
	if path, err := exec.LookPath(filepath.Join(in.BinDir, "psql")); err == nil {
		return path, nil
	}
	return exec.LookPath("psql")
}

// runs runs a program to its end, with env added to the environment.
func runs(program string, env []string, args ...string) side {
	return func(ctx context.Context) error {
		cmd := exec.CommandContext(ctx, program, args...)
		cmd.Env = append(os.Environ(), env...)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", filepath.Base(program), err, out)
		}
		return nil
	}
}
