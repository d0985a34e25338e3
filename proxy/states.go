package proxy

import (
	"fmt"
	"log/slog"
)

// serverState is where a server connection of a pool is in its life. The names
// in parentheses are PgBouncer's.
//
//	serverLogin      has logged in and is not in the pool yet (SV_LOGIN)
//	serverIdle       is in the pool's list of idle server connections (SV_IDLE)
//	serverTested     has been taken off that list and not linked: its socket has
//	                 unread input, perhaps the end of the connection (SV_TESTED)
//	serverAssigned   is linked to a client that has not sent it a request yet
//	serverActive     is linked to a client and has its requests (SV_ACTIVE)
//	serverResetting  has been unlinked, and cannot be linked again before the
//	                 session is reset and no cancel request is on its way
//	                 (SV_BEING_CANCELED, and SV_ACTIVE without a link)
//	serverClosing    is sent no request any more: the last answer is on its way
//	                 to the client, which may still be linked, or the end of the
//	                 connection is awaited
//	serverClosed     (SV_JUSTFREE)
//
// [serverConn.setState] allows the changes of serverTransitions, and no others.
type serverState uint8

const (
	serverLogin serverState = iota
	serverIdle
	serverTested
	serverAssigned
	serverActive
	serverResetting
	serverClosing
	serverClosed
)

// serverTransitions has, for each state, a bit for each that may follow it.
var serverTransitions = [...]uint16{
	serverLogin:     1<<serverIdle | 1<<serverAssigned | 1<<serverClosing | 1<<serverClosed,
	serverIdle:      1<<serverTested | 1<<serverAssigned | 1<<serverClosing | 1<<serverClosed,
	serverTested:    1<<serverIdle | 1<<serverAssigned | 1<<serverClosing | 1<<serverClosed,
	serverAssigned:  1<<serverActive | 1<<serverResetting | 1<<serverClosing | 1<<serverClosed,
	serverActive:    1<<serverResetting | 1<<serverClosing | 1<<serverClosed,
	serverResetting: 1<<serverIdle | 1<<serverAssigned | 1<<serverClosing | 1<<serverClosed,
	serverClosing:   1 << serverClosed,
	serverClosed:    0,
}

func (s serverState) allows(to serverState) bool { return serverTransitions[s]&(1<<to) != 0 }

func (s serverState) String() string {
	return [...]string{"login", "idle", "tested", "assigned", "active", "resetting", "closing", "closed"}[s]
}

// clientState is where a client is in its life. Which server connection it is
// linked to and whether it waits for one is not part of that: a client can be
// draining or killed in either case, and the link and the queue change under
// other mutexes.
//
//	clientLogin         start-up, authentication and the search for a database
//	clientActive        has a handler: it has logged in, or waits for a slot or
//	                    for the server connection that completes its login
//	clientDraining      is disconnected as soon as it has no transaction open
//	clientKilled        is disconnected now
//	clientDisconnected  its session is over: it has been sent its last message, or
//	                    cannot be sent one
//	clientClosed
//
// [client.setState] allows changes to a later state, and no others but one: a client
// in session mode goes back from clientActive to its login when it has a slot.
type clientState int32

const (
	clientLogin clientState = iota
	clientActive
	clientDraining
	clientKilled
	clientDisconnected
	clientClosed
)

func (s clientState) allows(to clientState) bool {
	return to > s || s == clientActive && to == clientLogin
}

func (s clientState) String() string {
	return [...]string{"login", "active", "draining", "killed", "disconnected", "closed"}[s]
}

// sessionState is where a session of session mode is in its life.
//
//	sessionActive     forwards both ways
//	sessionDraining   ends as soon as no transaction is open
//	sessionFailing    the server takes no more requests; it has a moment to send
//	                  why
//	sessionAbandoned  the client has disconnected; the server has a moment to end
//	sessionKilled     ends now
//	sessionEnded      nothing more is forwarded
//
// [session.setState] allows a change to any later state, and no others.
type sessionState uint8

const (
	sessionActive sessionState = iota
	sessionDraining
	sessionFailing
	sessionAbandoned
	sessionKilled
	sessionEnded
)

func (s sessionState) String() string {
	return [...]string{"active", "draining", "failing", "abandoned", "killed", "ended"}[s]
}

// illegalTransition reports a change of a state that the state's table does not
// allow: an error of this package. The caller closes the connection that it is
// about. In tests it panics.
var illegalTransition = func(log *slog.Logger, what string, from, to fmt.Stringer, reason string) {
	log.Error("illegal change of state", "of", what, "from", from.String(), "to", to.String(), "reason", reason)
}

// Reasons for the end of a session that are the client's own.
const (
	reasonTerminated = "client close request"
	reasonGone       = "client gone"
)

// ending is why a session ends. The zero value means that it goes on.
type ending struct {
	reason   string
	notified bool // the client has been sent a last message, which it should have time to read
}
