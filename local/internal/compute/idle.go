package compute

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/lakebase-go/lakebase/internal/postgres"
)

// activity is the time at which a compute was last used. It is safe for
// concurrent use.
type activity struct {
	created time.Time
	used    *atomic.Int64 // ns since created
}

func newActivity() activity { return activity{time.Now(), new(atomic.Int64)} }

// touch records activity, which postpones suspension.
func (a activity) touch() { a.used.Store(int64(time.Since(a.created))) }

func (a activity) last() time.Time { return a.created.Add(time.Duration(a.used.Load())) }

// busyQuery counts sessions with work in progress. As on the service, idle
// sessions do not keep a compute active; suspension ends them with 57P01.
const busyQuery = `SELECT count(*) > 0 FROM pg_stat_activity
WHERE pid <> pg_backend_pid()
  AND (backend_type = 'client backend' AND state <> 'idle'
    OR backend_type = 'walsender' AND application_name <> 'lakebase_standby')`

// busyTimeout limits that query.
const busyTimeout = 5 * time.Second

// busy asks the server, because a long query causes no traffic.
func busy(ctx context.Context, s *postgres.Server) (busy bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, busyTimeout)
	defer cancel()
	conn, err := s.Connect(ctx, "postgres")
	if err != nil {
		return false, err
	}
	defer conn.Close(ctx)
	err = conn.QueryRow(ctx, busyQuery).Scan(&busy)
	return busy, err
}
