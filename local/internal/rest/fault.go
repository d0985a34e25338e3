package rest

import (
	"net"
	"net/http"
	"strconv"
	"time"
)

// Fault is the fault of one call. The zero value is none.
type Fault struct {
	Status     int  // of an error to reply with
	RetryAfter int  // seconds, sent with Status
	Hang       bool // never reply
	Refuse     bool // reset the connection
	Delay      time.Duration
	OmitName   bool // of instances
	OmitDate   bool // header of the reply
}

// apply delays the call, and aborts it if there is to be no reply. The call's
// context ends when the client or the server closes.
func (f Fault) apply(w http.ResponseWriter, req *http.Request) {
	if f.OmitDate {
		w.Header()["Date"] = nil // nil, because net/http adds one that is absent
	}
	if f.Delay > 0 {
		select {
		case <-time.After(f.Delay):
		case <-req.Context().Done():
			panic(http.ErrAbortHandler)
		}
	}
	switch {
	case f.Refuse:
		conn := req.Context().Value(connKey{}).(*detectingConn)
		if tcp, ok := conn.Conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // closes with a TCP reset, as a crashed server does
		}
		conn.Conn.Close()
		panic(http.ErrAbortHandler)
	case f.Hang:
		<-req.Context().Done()
		panic(http.ErrAbortHandler)
	case f.RetryAfter > 0:
		w.Header().Set("Retry-After", strconv.Itoa(f.RetryAfter))
	}
}
