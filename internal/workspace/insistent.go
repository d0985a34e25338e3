package workspace

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"net/http"
	"time"
)

const (
	// unansweredFor is how long a request may be unanswered before it is sent again.
	unansweredFor = 1500 * time.Millisecond
	// repeatLimit bounds a repeated request: no more than two are under way at a
	// time, and a service that answers slowly as it comes back has time. One request
	// at a time would have to be given up after 2 seconds for the next to be sent in
	// time, and a service that takes longer would never answer in time.
	repeatLimit = 2*unansweredFor - 100*time.Millisecond
)

// insistent sends a request again every 1.5 seconds until it is answered: of a
// service that has hung, the requests from before its return are often never
// answered. The first one stays, for a service that is only slow. Replies are
// read to their end.
type insistent struct {
	first http.RoundTripper
	again http.RoundTripper // over connections that first does not have
}

// exchange is the end of one request.
type exchange struct {
	resp *http.Response
	err  error
}

// useful reports whether the reply to a repeated request is worth more than
// waiting for the first.
func (x exchange) useful() bool { return x.err == nil && !temporaryStatus(x.resp.StatusCode) }

// RoundTrip implements http.RoundTripper.
func (i insistent) RoundTrip(req *http.Request) (*http.Response, error) {
	var body []byte
	if req.Body != nil && req.Body != http.NoBody {
		defer req.Body.Close()
		var err error
		if body, err = io.ReadAll(req.Body); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithCancel(req.Context())
	defer cancel()
	send := func(limited context.Context, carrier http.RoundTripper, ended chan<- exchange) {
		x := complete(limited, carrier, req, body)
		select {
		case ended <- x:
		case <-ctx.Done():
		}
	}
	first, again := make(chan exchange), make(chan exchange)
	go send(ctx, i.first, first)
	next := time.NewTimer(unansweredFor + rand.N(unansweredFor/4)) // a fleet does not hang as one
	defer next.Stop()
	for {
		select {
		case x := <-first:
			return x.resp, x.err
		case x := <-again:
			if x.useful() {
				return x.resp, nil
			}
		case <-next.C:
			limited, cancel := context.WithTimeout(ctx, repeatLimit)
			defer cancel()
			go send(limited, i.again, again)
			next.Reset(unansweredFor)
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// complete sends a copy of req and reads the reply, of which it keeps one byte
// more than any may have.
func complete(ctx context.Context, carrier http.RoundTripper, req *http.Request, body []byte) exchange {
	copied := req.Clone(ctx)
	if body != nil {
		copied.Body = io.NopCloser(bytes.NewReader(body))
		copied.ContentLength = int64(len(body))
		copied.TransferEncoding = nil
	}
	resp, err := carrier.RoundTrip(copied)
	if err != nil {
		return exchange{err: err}
	}
	defer resp.Body.Close()
	reply, err := io.ReadAll(io.LimitReader(resp.Body, maxReply+1))
	if err != nil {
		return exchange{err: err}
	}
	resp.Body = io.NopCloser(bytes.NewReader(reply))
	return exchange{resp: resp}
}
