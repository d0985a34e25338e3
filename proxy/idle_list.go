package proxy

import (
	"slices"
	"time"

	"github.com/lakebase-go/lakebase/internal/txpool"
)

// idleList has the idle server connections of a pool, the one that was used last
// at the end. The pool's mutex guards it.
type idleList []*serverConn

func (l idleList) n() int { return len(l) }

// push adds a server connection that has just been used.
func (l *idleList) push(s *serverConn) {
	s.settings = s.session.Settings()
	*l = append(*l, s)
}

// pop removes the server connection that was used last, among those that have
// the wanted settings if there are any. The list must not be empty.
func (l *idleList) pop(want txpool.Settings) *serverConn {
	at := len(*l) - 1
	for i := at; i >= 0; i-- {
		if (*l)[i].settings == want {
			at = i
			break
		}
	}
	return l.take(at)
}

// popOldest removes up to n server connections that have been idle for age, the
// ones that have been idle longest.
func (l *idleList) popOldest(n int, age time.Duration) (popped []*serverConn) {
	for len(popped) < n && len(*l) > 0 && time.Since((*l)[0].usage.released) >= age {
		popped = append(popped, l.take(0))
	}
	return popped
}

// popAll removes the server connections of a kind.
func (l *idleList) popAll(kind func(*serverConn) bool) (popped []*serverConn) {
	*l = slices.DeleteFunc(*l, func(s *serverConn) bool {
		is := kind(s)
		if is {
			popped = append(popped, s)
		}
		return is
	})
	return popped
}

// remove removes s if it is there.
func (l *idleList) remove(s *serverConn) {
	if i := slices.Index(*l, s); i >= 0 {
		l.take(i)
	}
}

func (l *idleList) take(i int) *serverConn {
	s := (*l)[i]
	*l = slices.Delete(*l, i, i+1)
	return s
}

// shutAll closes server connections that nothing needs any more.
func shutAll(conns []*serverConn, reason string) {
	for _, s := range conns {
		s.shut(reason)
	}
}
