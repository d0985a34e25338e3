package proxy

import (
	"sync"

	"github.com/lakebase-go/lakebase/internal/txpool"
)

// maxWelcomes is the number of different settings whose answer a pool keeps.
const maxWelcomes = 1024

// welcomes keeps what the server reports to clients by the settings in their
// startup packet, so that a login needs no server connection. The zero value is
// empty.
type welcomes struct {
	mu       sync.Mutex
	reported map[txpool.Settings]txpool.Reported
}

// find returns what a client with these settings is reported, if that is known.
func (w *welcomes) find(settings txpool.Settings) (txpool.Reported, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	reported, ok := w.reported[settings]
	return reported, ok
}

func (w *welcomes) add(settings txpool.Settings, reported txpool.Reported) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.reported == nil || len(w.reported) >= maxWelcomes {
		w.reported = map[txpool.Settings]txpool.Reported{}
	}
	w.reported[settings] = reported
}
