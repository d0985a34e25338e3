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
	if err := checkFree(dir); err != nil {
		return err // before a template is built
	}
	owner, err := newAccount()
	if err != nil {
		return err
	}
	template, err := in.template(ctx, owner, o)
	if err != nil {
		return fmt.Errorf("make a new PostgreSQL data directory: %w", err)
	}
	return createDataDir(dir, nil, func(path string) error { return copyDataDir(ctx, owner, template, path) })
}

// template returns the cached data directory for o.
func (in *Installation) template(ctx context.Context, owner *account, o ClusterOptions) (string, error) {
	c, err := openCache()
	if err != nil {
		return "", err
	}
	parts := []string{templateFormat, runtime.GOARCH, in.build, in.BinDir, o.HBA, strings.Join(in.initdbArgs(), " ")}
	for _, s := range o.Scripts {
		parts = append(parts, s.Database, s.SQL)
	}
	parts = append(parts, extensionParts(o.Extensions)...)
	return c.get(cacheKey("template", parts...), func(dir string) error {
		return in.buildTemplate(ctx, dir, owner, o)
	})
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

// buildTemplate fills the empty directory dir.
func (in *Installation) buildTemplate(ctx context.Context, dir string, owner *account, o ClusterOptions) error {
	if err := owner.own(dir); err != nil {
		return err
	}
	if err := in.run(ctx, owner, dir, newServerLog(nil), "initdb", append([]string{"-D", dir}, in.initdbArgs()...)...); err != nil {
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
	if err := in.run(ctx, owner, dir, newServerLog(nil), "initdb", "--sync-only", "-D", dir); err != nil {
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
