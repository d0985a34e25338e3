package rest

import (
	"bytes"
	"io"
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

// apply delays the call, and reports whether it ended the call.
func (f Fault) apply(w http.ResponseWriter, req *http.Request, closing <-chan struct{}) (ended bool) {
	if f.OmitDate {
		w.Header()["Date"] = nil // nil, because net/http adds one that is absent
	}
	if f.Delay > 0 && !wait(req, time.After(f.Delay), closing) {
		panic(http.ErrAbortHandler)
	}
	switch {
	case f.Refuse:
		reset(w)
		return true
	case f.Hang:
		wait(req, nil, closing)
		panic(http.ErrAbortHandler)
	case f.RetryAfter > 0:
		w.Header().Set("Retry-After", strconv.Itoa(f.RetryAfter))
	}
	return false
}

// wait waits for until. It returns false if the client or the server closes
// first.
func wait(req *http.Request, until <-chan time.Time, closing <-chan struct{}) bool {
	// net/http notices that a client has closed only once the request is read.
	body, _ := io.ReadAll(io.LimitReader(req.Body, maxBody))
	req.Body = io.NopCloser(bytes.NewReader(body))
	select {
	case <-until:
		return true
	case <-req.Context().Done():
	case <-closing:
	}
	return false
}

// reset closes the connection with a TCP reset, as a crashed server does.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	for {
		outer, ok := conn.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		conn = outer.NetConn()
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	conn.Close()
}
