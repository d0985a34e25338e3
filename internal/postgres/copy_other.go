//go:build unix && !linux

package postgres

import (
	"io"
	"os"
)

func copyFile(dst, src *os.File) error {
	_, err := io.Copy(dst, src)
	return err
}
