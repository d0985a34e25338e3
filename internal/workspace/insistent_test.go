package workspace

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	sdkconfig "github.com/databricks/databricks-sdk-go/config"
)

// carrier is the workspace as a request meets it.
type carrier struct {
	answer   func(sent time.Time, ctx context.Context) (status int, err error)
	sent     atomic.Int32
	underway atomic.Int32
	most     atomic.Int32
}

func (c *carrier) RoundTrip(req *http.Request) (*http.Response, error) {
	c.sent.Add(1)
	c.most.Store(max(c.most.Load(), c.underway.Add(1)))
	defer c.underway.Add(-1)
	body, err := io.ReadAll(req.Body)
	if err != nil || string(body) != "body" {
		return nil, errors.New("a request without its body")
	}
	status, err := c.answer(time.Now(), req.Context())
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader("reply"))}, nil
}

func hang(ctx context.Context) (int, error) {
	<-ctx.Done()
	return 0, ctx.Err()
}

func TestHungRequestIsSentAgain(t *testing.T) {
	t.Parallel()
	const outage = 75 * time.Second
	for _, test := range []struct {
		name   string
		answer func(start time.Time) func(time.Time, context.Context) (int, error)
		within [2]time.Duration // of the answer
		status int
		err    bool
	}{
		{"quick", func(time.Time) func(time.Time, context.Context) (int, error) {
			return func(time.Time, context.Context) (int, error) {
				time.Sleep(unansweredFor - time.Millisecond)
				return 200, nil
			}
		}, [2]time.Duration{unansweredFor - time.Millisecond, unansweredFor - time.Millisecond}, 200, false},
		{"hang", func(start time.Time) func(time.Time, context.Context) (int, error) {
			return func(sent time.Time, ctx context.Context) (int, error) {
				if sent.Sub(start) < outage {
					return hang(ctx)
				}
				return 200, nil
			}
		}, [2]time.Duration{outage, outage + 2*unansweredFor}, 200, false},
		{"slow", func(time.Time) func(time.Time, context.Context) (int, error) {
			return func(_ time.Time, ctx context.Context) (int, error) {
				select {
				case <-time.After(5 * time.Second):
					return 200, nil
				case <-ctx.Done():
					return 0, ctx.Err()
				}
			}
		}, [2]time.Duration{5 * time.Second, 5 * time.Second}, 200, false},
		{"slow, and refuses more", func(start time.Time) func(time.Time, context.Context) (int, error) {
			return func(sent time.Time, _ context.Context) (int, error) {
				if !sent.Equal(start) {
					return 429, nil
				}
				time.Sleep(5 * time.Second)
				return 200, nil
			}
		}, [2]time.Duration{5 * time.Second, 5 * time.Second}, 200, false},
		{"down", func(time.Time) func(time.Time, context.Context) (int, error) {
			return func(time.Time, context.Context) (int, error) { return 503, nil }
		}, [2]time.Duration{}, 503, false},
		{"refused", func(time.Time) func(time.Time, context.Context) (int, error) {
			return func(time.Time, context.Context) (int, error) { return 0, io.ErrUnexpectedEOF }
		}, [2]time.Duration{}, 0, true},
		{"given up", func(time.Time) func(time.Time, context.Context) (int, error) {
			return func(_ time.Time, ctx context.Context) (int, error) { return hang(ctx) }
		}, [2]time.Duration{2 * time.Minute, 2 * time.Minute}, 0, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				first := &carrier{answer: test.answer(start)}
				again := &carrier{answer: test.answer(start)}
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
				defer cancel()
				req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://h/", strings.NewReader("body"))
				if err != nil {
					t.Fatal(err)
				}
				resp, err := insistent{first, again}.RoundTrip(req)
				if (err != nil) != test.err {
					t.Fatalf("error %v", err)
				}
				if err == nil {
					reply, err := io.ReadAll(resp.Body)
					if resp.StatusCode != test.status || string(reply) != "reply" || err != nil {
						t.Errorf("status %d, reply %q, %v", resp.StatusCode, reply, err)
					}
				}
				if d := time.Since(start); d < test.within[0] || d > test.within[1] {
					t.Errorf("answered after %s, want %s to %s", d, test.within[0], test.within[1])
				}
				synctest.Wait() // what is left of the other requests ends
				if n := first.sent.Load(); n != 1 {
					t.Errorf("%d first requests", n)
				}
				if most := again.most.Load(); most > 2 {
					t.Errorf("%d repeated requests at a time", most)
				}
				if n := again.sent.Load(); n > 0 && test.within[1] < unansweredFor {
					t.Errorf("%d repeated requests although the first was answered in time", n)
				}
			})
		})
	}
}

func TestOnlyANameThatIsKnownNotToExistIsGivenUp(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		err  error
		want bool
	}{
		"no such host": {&net.DNSError{Err: "no such host", IsNotFound: true}, true},
		"timeout":      {&net.DNSError{Err: "i/o timeout", IsTimeout: true, IsTemporary: true}, false},
		"refused":      {&net.OpError{Op: "dial", Err: io.EOF}, false},
	} {
		carrier := &carrier{answer: func(time.Time, context.Context) (int, error) { return 0, &net.OpError{Op: "dial", Err: test.err} }}
		_, err := newClient(t, &sdkconfig.Config{Host: "https://nowhere.invalid", Token: pat, HTTPTransport: bodiless{carrier}}).Identity(t.Context())
		if e := asError(t, err); e.NoSuchHost() != test.want || !e.Temporary() {
			t.Errorf("%s: NoSuchHost is %t, Temporary %t", name, e.NoSuchHost(), e.Temporary())
		}
	}
}

// bodiless gives requests without a body the one that carrier expects.
type bodiless struct{ *carrier }

func (b bodiless) RoundTrip(req *http.Request) (*http.Response, error) {
	req.Body = io.NopCloser(strings.NewReader("body"))
	return b.carrier.RoundTrip(req)
}
