//go:build unix

package postgres

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sync/errgroup"
)

// templateFormat changes when templates are created in another way.
const templateFormat = "1"

// CreateCluster creates a data directory at dir, which must not exist, as a copy
// of a cached template. The template is built on first use; any number of
// processes may do so at once. If root calls it, the directory belongs to the
// user that the server will run as.
func (in *Installation) CreateCluster(ctx context.Context, dir string, o ClusterOptions) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	if exists(dir) { // before a template is built
		return fmt.Errorf("data directory %s: %w", dir, fs.ErrExist)
	}
	owner, err := newAccount()
	if err != nil {
		return err
	}
	template, err := in.template(ctx, owner, o)
	if err != nil {
		return fmt.Errorf("make a new PostgreSQL data directory: %w", err)
	}
	return createDir(dir, nil, func(path string) error { return copyDataDir(owner, template, path) })
}

// template returns the cached data directory for o.
func (in *Installation) template(ctx context.Context, owner *account, o ClusterOptions) (string, error) {
	key := cacheKey("template", templateFormat, runtime.GOARCH, in.build, in.BinDir, in.initdbArgs(), o)
	return cached(key, owner, func(dir string) error { return in.buildTemplate(ctx, dir, owner, o) })
}

// initdbArgs are the arguments except for the directory. They do not depend on
// the locales of this machine: without a locale a server uses SQL_ASCII, and few
// locales exist everywhere.
func (in *Installation) initdbArgs() []string {
	args := []string{"-U", Admin, "-A", "trust", "--no-sync", "--no-instructions", "--encoding=UTF8", "--locale=C"}
	if in.Major >= 17 {
		args = append(args, "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
	}
	return args
}

// buildTemplate creates the data directory dir.
func (in *Installation) buildTemplate(ctx context.Context, dir string, owner *account, o ClusterOptions) error {
	if err := in.run(ctx, owner, newServerLog(nil), "initdb", append([]string{"-D", dir}, in.initdbArgs()...)...); err != nil {
		return err
	}
	if err := in.runScripts(ctx, dir, o); err != nil {
		return err
	}
	if o.HBA != "" { // after the scripts, which may create roles that it names
		if err := os.WriteFile(filepath.Join(dir, "pg_hba.conf"), []byte(o.HBA), 0o600); err != nil {
			return err
		}
	}
	if err := os.Remove(filepath.Join(dir, "postmaster.opts")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	// A template that a power failure truncates would damage every data
	// directory that is copied from it.
	if err := in.run(ctx, owner, newServerLog(nil), "initdb", "--sync-only", "-D", dir); err != nil {
		return err
	}
	return seal(dir, owner)
}

// runScripts starts a server on dir for the scripts, and stops it.
func (in *Installation) runScripts(ctx context.Context, dir string, o ClusterOptions) (err error) {
	if len(o.Scripts) == 0 {
		return nil
	}
	s, err := in.Start(ctx, StartOptions{DataDir: dir, Extensions: o.Extensions})
	if err != nil {
		return err
	}
	for i, script := range o.Scripts {
		if err = s.runScript(ctx, script); err != nil {
			err = fmt.Errorf("script %d, in database %q: %w", i+1, script.Database, err)
			break
		}
	}
	return errors.Join(err, s.Stop(ctx))
}

func (s *Server) runScript(ctx context.Context, script Script) error {
	conn, err := s.Connect(ctx, script.Database)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.PgConn().Exec(ctx, script.SQL).ReadAll()
	return err
}

// seal makes root the owner of a template that root had an unprivileged account
// create: root copies it for other accounts too.
func seal(dir string, owner *account) error {
	if owner == nil {
		return nil
	}
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, 0, 0)
	})
}

// copyDataDir copies the data directory from to the new directory to, which
// will belong to owner.
func copyDataDir(owner *account, from, to string) error {
	var group errgroup.Group
	group.SetLimit(8) // most of the thousand files are tiny
	err := filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := to + strings.TrimPrefix(path, from)
		if entry.IsDir() {
			return errors.Join(os.Mkdir(target, 0o700), owner.own(target))
		}
		group.Go(func() error {
			src, err := os.Open(path)
			if err != nil {
				return err
			}
			defer src.Close()
			dst, err := os.OpenFile(target, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
			if err != nil {
				return err
			}
			return errors.Join(copyFile(dst, src), dst.Close(), owner.own(target))
		})
		return nil
	})
	return errors.Join(err, group.Wait())
}
