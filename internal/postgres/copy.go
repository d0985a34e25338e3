//go:build unix

package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"
)

// copyWorkers is how many files are copied at once; most of them are tiny.
const copyWorkers = 8

// treeCopy copies a data directory.
type treeCopy struct {
	owner *account
	skip  func(path string) bool // path is relative; a directory's contents go with it
	live  bool                   // files may vanish while they are copied
}

// run copies from to the new directory to.
func (t treeCopy) run(ctx context.Context, from, to string) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(copyWorkers)
	walkErr := filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if t.vanished(err) {
			return nil
		}
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, rel)
		switch {
		case t.skip != nil && t.skip(rel):
			return skipEntry(entry)
		case entry.IsDir():
			return t.mkdir(target)
		case entry.Type().IsRegular():
			group.Go(func() error { return t.copyFile(path, target) })
			return nil
		default:
			return fmt.Errorf("%s is neither a file nor a directory, and cannot be copied", path)
		}
	})
	return errors.Join(walkErr, group.Wait())
}

func skipEntry(entry fs.DirEntry) error {
	if entry.IsDir() {
		return fs.SkipDir
	}
	return nil
}

func (t treeCopy) vanished(err error) bool { return t.live && errors.Is(err, fs.ErrNotExist) }

// mkdir makes a directory of the only mode that PostgreSQL uses for its own.
func (t treeCopy) mkdir(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	return t.owner.own(dir)
}

func (t treeCopy) copyFile(from, to string) error {
	src, err := os.Open(from)
	if t.vanished(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer src.Close()
	return t.write(to, src)
}

// write makes the file to with what src holds.
func (t treeCopy) write(to string, src io.Reader) error {
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err := io.Copy(dst, src); err != nil {
		dst.Close()
		return err
	}
	return errors.Join(dst.Close(), t.owner.own(to))
}
