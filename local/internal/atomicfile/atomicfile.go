// Package atomicfile writes files in one step: a reader, or a crash, finds the
// complete new content or what was there before.
package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Replace writes data to file with the given mode, whether or not the file
// exists.
func Replace(file string, data []byte, mode fs.FileMode) error {
	return write(file, data, mode, os.Rename)
}

// Create writes data to file with the given mode. If the file exists, it is
// left as it is and the error is [fs.ErrExist].
func Create(file string, data []byte, mode fs.FileMode) error {
	return write(file, data, mode, os.Link)
}

// write fills a temporary file and moves it to its name.
func write(file string, data []byte, mode fs.FileMode, move func(from, to string) error) error {
	tmp, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // fails after a rename, which is fine
	_, err = tmp.Write(data)
	err = errors.Join(err, tmp.Chmod(mode), tmp.Sync(), tmp.Close())
	if err != nil {
		return err
	}
	return move(tmp.Name(), file)
}
