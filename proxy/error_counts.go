package proxy

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/proxy/internal/snapshot"
)

// maxErrorCodes bounds the SQLSTATEs that are counted: servers choose those of
// logins that they refuse.
const maxErrorCodes = 50

// errorCounts counts the errors that the proxy sends to clients by itself. Those
// of statements are the servers', and are forwarded without being read.
type errorCounts struct {
	mu     sync.Mutex
	byCode map[string]snapshot.Error
}

func (c *errorCounts) add(e *pgwire.Error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	counted, known := c.byCode[e.Code]
	if c.byCode == nil {
		c.byCode = map[string]snapshot.Error{}
	}
	if known || len(c.byCode) < maxErrorCodes {
		c.byCode[e.Code] = snapshot.Error{Code: e.Code, Count: counted.Count + 1, Last: time.Now(), Message: e.Message, Hint: e.Hint}
	}
}

func (c *errorCounts) list() (all []snapshot.Error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.byCode {
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b snapshot.Error) int { return strings.Compare(a.Code, b.Code) })
	return all
}
