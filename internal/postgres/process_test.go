//go:build unix

package postgres

import (
	"os"
	"os/exec"
	"testing"
)

// It is no error if another process still has a child's output open.
func TestOpenOutputIsNoError(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close() // the one that holds it ends at that
	cmd := exec.Command("/bin/sh", "-c", "exec 4<&0; cat <&4 & exit 0")
	cmd.Stdin = r
	(*account)(nil).prepare(cmd)
	c, err := spawn(cmd, newServerLog(nil))
	if err != nil {
		t.Fatal(err)
	}
	<-c.done
	if c.err != nil {
		t.Error(c.err)
	}
}
