package proxy

import "sync/atomic"

// turn decides which goroutine runs a client that has none of its own: the first one
// that has a reason to. It also does what others find reasons for meanwhile. The zero
// value is that of a client with a goroutine of its own.
type turn struct{ state atomic.Uint32 }

// The state of a turn: whether it is shared at all, and taken, and why it goes on.
const (
	turnShared uint32 = 1 << iota
	turnTaken
	isReadable    // there is something to read
	isGranted     // the wait for a server connection is over
	isNotified    // the client should be sent a notice about that wait
	isInterrupted // by [pooledClient.interrupt]

	reasonsForTurn = isReadable | isGranted | isNotified | isInterrupted
)

// share makes the turn one that any goroutine can take. The caller has it.
func (t *turn) share() { t.state.Store(turnShared | turnTaken) }

func (t *turn) isShared() bool { return t.state.Load()&turnShared != 0 }

// take notes a reason, and reports whether the caller has the turn now.
func (t *turn) take(why uint32) bool {
	for {
		state := t.state.Load()
		if state&turnShared == 0 {
			return false
		}
		if t.state.CompareAndSwap(state, state|why|turnTaken) {
			return state&turnTaken == 0
		}
	}
}

// note notes a reason of the caller, which has the turn.
func (t *turn) note(why uint32) { t.state.Or(why) }

// next returns the reasons that have been noted. If there are none, it gives up the turn.
func (t *turn) next() (why uint32) {
	for {
		state := t.state.Load()
		why = state & reasonsForTurn
		after := turnShared
		if why != 0 {
			after |= turnTaken
		}
		if t.state.CompareAndSwap(state, after) {
			return why
		}
	}
}
