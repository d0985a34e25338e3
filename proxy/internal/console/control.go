package console

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/lakebase-go/lakebase/internal/pgwire"
)

func controlCommands() []command {
	return []command{
		{words: "PAUSE", argument: "[db]", means: "stop handing out server connections, wait for transactions to end, close the server connections", admin: true, run: pause},
		{words: "RESUME", argument: "[db]", means: "end a pause", admin: true, run: onDatabase(Proxy.Resume)},
		{words: "RECONNECT", argument: "[db]", means: "replace each server connection when its transaction has ended", admin: true, run: onDatabase(Proxy.Reconnect)},
		{words: "WAIT_CLOSE", argument: "[db]", means: "wait until RECONNECT has replaced them", admin: true, run: waitClose},
		{words: "KILL", argument: "[db]", means: "close server connections now, and disconnect the clients that have one", admin: true, run: onDatabase(Proxy.Kill)},
		{words: "KILL_CLIENT", argument: "id", means: "disconnect the client with this id of SHOW CLIENTS", admin: true, run: killClient},
		{words: "DISABLE", argument: "db", means: "refuse new clients", admin: true, run: onDatabase(Proxy.Disable)},
		{words: "ENABLE", argument: "db", means: "accept them again", admin: true, run: onDatabase(Proxy.Enable)},
		{words: "RELOAD", means: "read the configuration again", admin: true, run: reload},
		{words: "SHUTDOWN", argument: "[WAIT_FOR_SERVERS|WAIT_FOR_CLIENTS]", means: "end the proxy: now, when transactions have ended, or when clients have disconnected", admin: true, run: shutdown},
	}
}

// database finds what the argument of a command names: a target with all its
// databases, one database of a target, or one of the default target. Without an
// argument, the empty names stand for all.
func (s *Session) database(argument string) (target, database string, err error) {
	switch argument {
	case "":
		return "", "", nil
	case Database:
		return "", "", &pgwire.Error{Code: "42809", Message: "the console's own database cannot be controlled"}
	}
	return s.console.proxy.Route(argument)
}

// onDatabase makes a command of what is done to the databases that its argument
// names.
func onDatabase(do func(p Proxy, target, database string) error) func(context.Context, *Session, string) ([]row, error) {
	return func(_ context.Context, s *Session, argument string) ([]row, error) {
		target, database, err := s.database(argument)
		if err != nil {
			return nil, err
		}
		return nil, do(s.console.proxy, target, database)
	}
}

// pause resumes if it is canceled before the server connections are closed.
func pause(ctx context.Context, s *Session, argument string) ([]row, error) {
	target, database, err := s.database(argument)
	if err != nil {
		return nil, err
	}
	err = s.console.proxy.Pause(ctx, target, database)
	if err != nil && ctx.Err() != nil {
		_ = s.console.proxy.Resume(target, database) // fails only where Pause does at once
	}
	return nil, err
}

func waitClose(ctx context.Context, s *Session, argument string) ([]row, error) {
	target, database, err := s.database(argument)
	if err != nil {
		return nil, err
	}
	return nil, s.console.proxy.WaitClose(ctx, target, database)
}

func killClient(_ context.Context, s *Session, argument string) ([]row, error) {
	id, err := strconv.ParseUint(argument, 10, 64)
	if err != nil {
		return nil, &pgwire.Error{Code: "22P02", Message: fmt.Sprintf("%q is no client's id", argument), Hint: "take one from SHOW CLIENTS"}
	}
	return nil, s.console.proxy.KillClient(id)
}

func reload(_ context.Context, s *Session, _ string) ([]row, error) {
	return nil, s.console.proxy.Reload()
}

// shutdown ends the proxy when the client has its answer.
func shutdown(_ context.Context, s *Session, argument string) ([]row, error) {
	wait, ok := map[string]Wait{"": WaitForNothing, "WAIT_FOR_SERVERS": WaitForServers, "WAIT_FOR_CLIENTS": WaitForClients}[strings.ToUpper(argument)]
	if !ok {
		return nil, &pgwire.Error{Code: "42601", Message: fmt.Sprintf("cannot wait for %q", argument), Hint: "SHUTDOWN, SHUTDOWN WAIT_FOR_SERVERS or SHUTDOWN WAIT_FOR_CLIENTS"}
	}
	s.after = func() { s.console.proxy.Shutdown(wait) }
	return nil, nil
}
