package proxy

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/lakebase-go/lakebase/internal/pgwire"
)

func controlCommands() []consoleCommand {
	return []consoleCommand{
		{words: "PAUSE", argument: "[db]", means: "let clients wait, wait for transactions to end, close the server connections", admin: true, run: pauseCommand},
		{words: "RESUME", argument: "[db]", means: "end a pause", admin: true, run: onPlace((*Server).Resume)},
		{words: "RECONNECT", argument: "[db]", means: "replace each server connection once its transaction has ended", admin: true, run: onPlace((*Server).Reconnect)},
		{words: "WAIT_CLOSE", argument: "[db]", means: "wait until RECONNECT has replaced them", admin: true, run: waitCloseCommand},
		{words: "KILL", argument: "[db]", means: "close server connections now, with the clients that have one", admin: true, run: onPlace((*Server).Kill)},
		{words: "KILL_CLIENT", argument: "id", means: "end the client with this id of SHOW CLIENTS", admin: true, run: killClientCommand},
		{words: "DISABLE", argument: "db", means: "let no new client connect", admin: true, run: onPlace(func(s *Server, target, database string) error {
			s.Disable(target, database)
			return nil
		})},
		{words: "ENABLE", argument: "db", means: "end that", admin: true, run: onPlace(func(s *Server, target, database string) error {
			s.Enable(target, database)
			return nil
		})},
		{words: "RELOAD", means: "read the configuration again", admin: true, run: reloadCommand},
		{words: "SHUTDOWN", argument: "[WAIT_FOR_SERVERS|WAIT_FOR_CLIENTS]", means: "end the proxy: now, when transactions have ended, or when clients have left", admin: true, run: shutdownCommand},
	}
}

// onPlace makes a command of what is done to the databases that its argument
// means.
func onPlace(do func(s *Server, target, database string) error) func(context.Context, *console, string) ([]row, error) {
	return func(_ context.Context, c *console, argument string) ([]row, error) {
		target, database, err := c.place(argument)
		if err != nil {
			return nil, err
		}
		return nil, do(c.server, target, database)
	}
}

// pauseCommand pauses, unless it is canceled before that is complete.
func pauseCommand(ctx context.Context, c *console, argument string) ([]row, error) {
	target, database, err := c.place(argument)
	if err != nil {
		return nil, err
	}
	err = c.server.Pause(ctx, target, database)
	if err != nil && ctx.Err() != nil {
		_ = c.server.Resume(target, database) // could be paused, so it can be resumed
	}
	return nil, err
}

func waitCloseCommand(ctx context.Context, c *console, argument string) ([]row, error) {
	target, database, err := c.place(argument)
	if err != nil {
		return nil, err
	}
	return nil, c.server.WaitClose(ctx, target, database)
}

func killClientCommand(_ context.Context, c *console, argument string) ([]row, error) {
	id, err := strconv.ParseUint(argument, 10, 64)
	if err != nil {
		return nil, &pgwire.Error{Code: "22P02", Message: fmt.Sprintf("%q is no client's id", argument), Hint: "take one from SHOW CLIENTS"}
	}
	return nil, c.server.KillClient(id)
}

func reloadCommand(_ context.Context, c *console, _ string) ([]row, error) {
	reload := c.server.config().OnReload
	if reload == nil {
		return nil, &pgwire.Error{Code: "0A000", Message: "this proxy has no configuration to read again", Hint: "start it with a configuration file"}
	}
	return nil, reload()
}

// shutdownCommand ends the proxy once the client has its answer.
func shutdownCommand(_ context.Context, c *console, how string) ([]row, error) {
	s := c.server
	switch strings.ToUpper(how) {
	case "":
		now, cancel := context.WithCancel(context.Background())
		cancel()
		c.after = func() { go s.Shutdown(now) }
	case "WAIT_FOR_SERVERS":
		c.after = func() { go s.Shutdown(context.Background()) }
	case "WAIT_FOR_CLIENTS":
		c.after = s.leave
	default:
		return nil, &pgwire.Error{Code: "42601", Message: fmt.Sprintf("cannot wait for %q", how), Hint: "SHUTDOWN, SHUTDOWN WAIT_FOR_SERVERS or SHUTDOWN WAIT_FOR_CLIENTS"}
	}
	return nil, nil
}
