//go:build unix

package postgres

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// readyInterval is the interval of checks whether a server is ready.
const readyInterval = 2 * time.Millisecond

// awaitReady returns when the server accepts logins, or has exited.
func (s *Server) awaitReady(ctx context.Context) error {
	tick := time.NewTicker(readyInterval)
	defer tick.Stop()
	for !s.ready() {
		select {
		case <-s.child.done:
			return errors.New("PostgreSQL has exited")
		case <-ctx.Done():
			return fmt.Errorf("PostgreSQL did not become ready: %w; its log: %s", context.Cause(ctx), s.log.tail())
		case <-tick.C:
		}
	}
	return nil
}

// ready reports whether the server accepts logins. It reads postmaster.pid, as
// pg_ctl does: an attempt to log in would cost a backend process. The first line
// is the process id, the eighth the status.
func (s *Server) ready() bool {
	text, _ := os.ReadFile(filepath.Join(s.dataDir, "postmaster.pid"))
	lines := strings.Split(string(text), "\n")
	return len(lines) >= 8 && lines[0] == strconv.Itoa(s.child.pid()) && strings.TrimSpace(lines[7]) == "ready"
}
