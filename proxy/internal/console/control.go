package console

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

// onDatabase makes a command of what is done to the databases that its argument
// names: a target with all its databases, one database of a target, or one of
// the default target. Without an argument, it is done to all.
func onDatabase(p Proxy, do func(context.Context, snapshot.Database) error) func(context.Context, string) error {
	return func(ctx context.Context, argument string) (err error) {
		var db snapshot.Database
		switch argument {
		case "":
		case Database:
			return &pgwire.Error{Code: "42809", Message: "the console's own database cannot be controlled"}
		default:
			if db, err = p.Route(argument); err != nil {
				return err
			}
		}
		return do(ctx, db)
	}
}

// pause resumes if it is canceled before the server connections are closed.
func pause(p Proxy) func(context.Context, snapshot.Database) error {
	return func(ctx context.Context, db snapshot.Database) error {
		err := p.Pause(ctx, db)
		if err != nil && ctx.Err() != nil {
			_ = p.Resume(ctx, db) // fails only where Pause does at once
		}
		return err
	}
}

func disable(p Proxy, on bool) func(context.Context, snapshot.Database) error {
	return func(_ context.Context, db snapshot.Database) error {
		p.SetDisabled(db, on)
		return nil
	}
}

func killClient(p Proxy) func(context.Context, string) error {
	return func(_ context.Context, argument string) error {
		id, err := strconv.ParseUint(argument, 10, 64)
		if err != nil {
			return &pgwire.Error{Code: "22P02", Message: fmt.Sprintf("%q is no client's id", argument), Hint: "take one from SHOW CLIENTS"}
		}
		return p.KillClient(id)
	}
}

// waits are the arguments of SHUTDOWN.
var waits = map[string]Wait{"": WaitForNothing, "WAIT_FOR_SERVERS": WaitForServers, "WAIT_FOR_CLIENTS": WaitForClients}

func checkShutdown(_ context.Context, argument string) error {
	if _, ok := waits[strings.ToUpper(argument)]; !ok {
		return &pgwire.Error{Code: "42601", Message: fmt.Sprintf("cannot wait for %q", argument), Hint: "SHUTDOWN, SHUTDOWN WAIT_FOR_SERVERS or SHUTDOWN WAIT_FOR_CLIENTS"}
	}
	return nil
}
