//go:build unix

package postgres

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/lakebase-go/lakebase/internal/testkit"
)

func init() {
	// serve runs a server until it is killed.
	childRoles["serve"] = func(ctx context.Context) error {
		in, err := Find(ctx)
		if err != nil {
			return err
		}
		s, err := in.Start(ctx, StartOptions{DataDir: os.Getenv(raceDirEnv), Durable: true})
		if err != nil {
			return err
		}
		conn, err := s.Connect(ctx, "test")
		if err != nil {
			return err
		}
		if _, err := conn.Exec(ctx, "SET synchronous_commit = on; INSERT INTO note VALUES ('from the child')"); err != nil {
			return err
		}
		fmt.Println(s.PID())
		fmt.Println(s.SocketDir())
		_, err = conn.Exec(ctx, "SELECT pg_sleep(600)")
		return err
	}
	// interruptible prints a line when it is interrupted, and ends.
	childRoles["interruptible"] = func(ctx context.Context) error {
		ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
		defer stop()
		fmt.Println("waiting")
		<-ctx.Done()
		fmt.Println("interrupted")
		return nil
	}
	// watch watches over the process that it is given, until it is killed.
	childRoles["watch"] = func(ctx context.Context) error {
		pid, err := strconv.Atoi(os.Getenv("LAKEBASE_TEST_PID"))
		if err != nil {
			return err
		}
		w, err := startWatcher()
		if err != nil {
			return err
		}
		w.watch(pid)
		fmt.Println(w.cmd.Process.Pid)
		time.Sleep(time.Minute)
		return nil
	}
}

func TestServerEndsWhenItsParentIsKilled(t *testing.T) {
	t.Parallel()
	in := testInstallation(t)
	dir := newDataDir(t, in)
	for round := range 3 {
		child := startChild(t, "serve", nil, raceDirEnv+"="+dir)
		pid, err := strconv.Atoi(child.line())
		if err != nil {
			t.Fatal("the child did not start a server")
		}
		socketDir := child.line()
		if err := child.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		child.cmd.Wait()
		if round == 0 {
			assertNoProcesses(t, dir)
		}
		// In the other rounds at once, while the server is still shutting down.
		begun := time.Now()
		s := startServer(t, in, StartOptions{DataDir: dir, Durable: true})
		t.Logf("start after the kill: %v", time.Since(begun))
		if s.PID() == pid {
			t.Error("the old server is still there")
		}
		if _, err := os.Stat(socketDir); err == nil {
			t.Errorf("%s is still there", socketDir)
		}
		if got := query[int](t, s, "SELECT count(*)::int FROM note"); got != round+2 {
			t.Errorf("%d notes, want %d", got, round+2)
		}
		stop(t, s)
	}
}

func TestWatcherInterruptsWhenItsParentIsKilled(t *testing.T) {
	t.Parallel()
	watched := startChild(t, "interruptible", nil)
	if line := watched.line(); line != "waiting" {
		t.Fatalf("the watched process printed %q", line)
	}
	parent := startChild(t, "watch", nil, fmt.Sprintf("LAKEBASE_TEST_PID=%d", watched.cmd.Process.Pid))
	watcher, err := strconv.Atoi(parent.line())
	if err != nil {
		t.Fatal("there is no watcher")
	}
	if err := parent.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if line := watched.line(); line != "interrupted" {
		t.Errorf("the watched process printed %q", line)
	}
	testkit.Eventually(t, "the watcher ends", func() bool { return !runs(watcher) })
}

// runs reports whether a process exists and is no zombie: orphans may not be
// reaped.
func runs(pid int) bool {
	out, _ := exec.Command("ps", "-o", "stat=", "-p", strconv.Itoa(pid)).Output()
	return len(out) > 0 && out[0] != 'Z'
}

func TestDismissedWatcherSendsNoSignal(t *testing.T) {
	t.Parallel()
	watched := startChild(t, "interruptible", nil)
	if line := watched.line(); line != "waiting" {
		t.Fatalf("the watched process printed %q", line)
	}
	w, err := startWatcher()
	if err != nil {
		t.Fatal(err)
	}
	w.watch(watched.cmd.Process.Pid)
	w.dismiss() // returns when it has ended
	if err := watched.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if line := watched.line(); line != "" {
		t.Errorf("the watched process printed %q, want no output", line)
	}
}
