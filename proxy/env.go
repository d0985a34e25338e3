package proxy

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5"

	"github.com/lakebase-go/lakebase/internal/eventloop"
	"github.com/lakebase-go/lakebase/internal/pgurl"
)

// env is what all parts of one [Server] share. They know each other by it, not
// by the Server.
type env struct {
	configuration atomic.Pointer[configuration]
	log           *slog.Logger
	counts        counters
	errors        errorCounts
	unfinished    unfinished
	cancelKeys    cancelKeys
	starts        starts
	loop          *eventloop.Loop // serves clients; nil where that is not supported
	template      *pgx.ConnConfig // of every login to a database; never modified

	// tasks counts what Shutdown waits for: listeners, clients, the janitor and
	// targets that are being closed. What may add to it when the Server could be
	// shutting down does so under a mutex under which it has found that new
	// tasks are still accepted.
	tasks sync.WaitGroup

	closing      atomic.Bool     // no client is accepted any more; those that are connected may stay
	life         context.Context // ends when Shutdown does not wait any longer
	endLife      context.CancelFunc
	admission    context.Context // ends, before life, when no session may begin any more
	endAdmission context.CancelFunc
}

// counters are those of [Stats].
type counters struct {
	clients, accepted, sessions, failed, canceled, lost atomic.Int64
}

func newEnv(log *slog.Logger) (*env, error) {
	blank, err := pgurl.Blank()
	if err != nil {
		return nil, err
	}
	e := &env{log: slog.New(newBurstHandler(log.Handler())), template: blank.ConnConfig}
	e.life, e.endLife = context.WithCancel(context.Background())
	e.admission, e.endAdmission = context.WithCancel(e.life)
	return e, nil
}

// config returns the current configuration. Code that needs two settings of the
// same moment calls it once.
func (e *env) config() *Config { return &e.configuration.Load().Config }

// isDraining reports whether no session may begin any more.
func (e *env) isDraining() bool { return e.admission.Err() != nil }

// logs reports whether the log has messages of such a level. Arguments cost
// even where it has not, and clients may be many and short-lived.
func (e *env) logs(level slog.Level) bool { return e.log.Enabled(context.Background(), level) }
