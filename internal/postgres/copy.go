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
	"sync"

	"golang.org/x/sync/errgroup"
)

// copyWorkers is the number of files that are copied at the same time; most of
// them are tiny.
const copyWorkers = 8

// copyBuffers has buffers for copyFile. A data directory has more than a
// thousand files: io.Copy would allocate a buffer for each, and try faster ways
// to copy first that do not work between file systems.
var copyBuffers = sync.Pool{New: func() any { return new([256 << 10]byte) }}

// copyDataDir copies the data directory from to the new directory to, which
// will belong to owner.
func copyDataDir(ctx context.Context, owner *account, from, to string) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(copyWorkers)
	walkErr := filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
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
		case entry.IsDir():
			return errors.Join(os.Mkdir(target, 0o700), owner.own(target))
		case entry.Type().IsRegular():
			group.Go(func() error { return copyFile(owner, path, target) })
			return nil
		default:
			return fmt.Errorf("%s is neither a file nor a directory, and cannot be copied", path)
		}
	})
	return errors.Join(walkErr, group.Wait())
}

func copyFile(owner *account, from, to string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	buffer := copyBuffers.Get().(*[256 << 10]byte)
	defer copyBuffers.Put(buffer)
	for n := len(buffer); err == nil && n == len(buffer); {
		if n, err = src.Read(buffer[:]); err == nil {
			_, err = dst.Write(buffer[:n])
		}
	}
	if err == io.EOF {
		err = nil
	}
	return errors.Join(err, owner.ownFile(dst), dst.Close())
}
