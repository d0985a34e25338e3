package compute

import (
	"context"
	"strings"
	"sync"

	"github.com/lakebase-go/lakebase/internal/postgres"
)

// follower points a standby to its primary's current socket, which changes
// with each start of the primary. The zero value is ready to use.
type follower struct {
	mu       sync.Mutex
	followed *postgres.Server
}

// follow does nothing unless both servers run. The standby's sessions go on.
func (f *follower) follow(ctx context.Context, standby, primary *postgres.Server) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if standby == nil || primary == nil || f.followed == primary {
		return nil
	}
	conn, err := standby.Connect(ctx, "postgres")
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	value := "'" + strings.ReplaceAll(primary.ConnInfo(), "'", "''") + "'"
	if err := execAll(ctx, conn, "ALTER SYSTEM SET primary_conninfo = "+value, "SELECT pg_reload_conf()"); err != nil {
		return err
	}
	f.followed = primary
	return nil
}
