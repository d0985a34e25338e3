package doctor

import (
	"cmp"
	"log/slog"
	"time"
)

// Options configure a [Run]. The zero value checks the target that the
// environment names.
type Options struct {
	Target string // as lakebase.ParseConfig reads it
	// Timeout bounds each check. Zero means 10 seconds.
	Timeout time.Duration
	// WakeTimeout bounds the wait for a database that wakes, starts or fails
	// over. Zero means 60 seconds.
	WakeTimeout time.Duration
	// OnEvent, if not nil, is called for each step as it is taken, by the
	// goroutine that called Run.
	OnEvent func(Event)
	// Logger receives what the library logs; nil means discard.
	Logger *slog.Logger
	// Secrets collects what must not be shown; nil means one of Run's own.
	Secrets *Secrets

	// timeouts are by check, in place of Timeout: tests wait for the end of
	// one check without hurrying the others.
	timeouts map[string]time.Duration
}

// Event is the start of a check, a note while it runs, or its end.
type Event struct {
	Check  string
	Note   string  // what the check is waiting for
	Result *Result // at its end
}

func (o Options) withDefaults() Options {
	o.Timeout = cmp.Or(o.Timeout, 10*time.Second)
	o.WakeTimeout = cmp.Or(o.WakeTimeout, time.Minute)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Secrets == nil {
		o.Secrets = NewSecrets()
	}
	return o
}
