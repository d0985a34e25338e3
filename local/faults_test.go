package local_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/lakebase-go/lakebase/internal/testkit"
	"github.com/lakebase-go/lakebase/local"
)

const mePath = "/api/2.0/preview/scim/v2/Me"

// withFaults sets faults until the end of the test.
func withFaults(t *testing.T, s *local.Server, f local.Faults) *api {
	t.Helper()
	t.Cleanup(func() {
		if err := s.SetFaults(local.Faults{}); err != nil {
			t.Error(err)
		}
	})
	if err := s.SetFaults(f); err != nil {
		t.Fatal(err)
	}
	return newAPI(t, s)
}

func TestAPIFaultsAffectCalls(t *testing.T) {
	s := sharedServer(t)

	a := withFaults(t, s, local.Faults{API: local.APIFault{Status: 429, RetryAfter: 7}})
	resp, body, err := a.try("GET", mePath, nil)
	if err != nil || resp.StatusCode != 429 || resp.Header.Get("Retry-After") != "7" || body["error_code"] != "REQUEST_LIMIT_EXCEEDED" {
		t.Errorf("429: got %v %v %v", resp, body, err)
	}
	a.ok("GET", "/local/v1/faults", nil) // spared

	for status, code := range map[int]string{400: "BAD_REQUEST", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 500: "INTERNAL_ERROR", 502: "BAD_GATEWAY", 503: "TEMPORARILY_UNAVAILABLE", 504: "DEADLINE_EXCEEDED"} {
		withFaults(t, s, local.Faults{API: local.APIFault{Status: status}}).refused("GET", mePath, nil, status, code, "")
	}

	a = withFaults(t, s, local.Faults{API: local.APIFault{Refuse: true}})
	if _, _, err := a.try("GET", mePath, nil); !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, io.EOF) {
		t.Errorf("refuse: got %v, want a reset", err)
	}

	a = withFaults(t, s, local.Faults{API: local.APIFault{Delay: local.Duration(150 * time.Millisecond)}})
	begun := time.Now()
	if got := a.ok("POST", "/api/2.0/database/credentials", object{"instance_names": []string{"my-instance"}}); got["token"] == "" {
		t.Errorf("delayed: %v", got)
	}
	if took := time.Since(begun); took < 150*time.Millisecond {
		t.Errorf("delayed call took %v", took)
	}

	a = withFaults(t, s, local.Faults{API: local.APIFault{OmitName: true, OmitDate: true}})
	resp, body, err = a.try("GET", "/api/2.0/database/instances/my-instance", nil)
	if err != nil || resp.StatusCode != 200 || body["uid"] == nil {
		t.Fatal(resp, body, err)
	}
	if _, ok := body["name"]; ok {
		t.Errorf("name is there: %v", body)
	}
	if date := resp.Header.Values("Date"); len(date) != 0 {
		t.Errorf("Date is there: %q", date)
	}
}

// A hanging call ends when the client closes its connection, and when the server
// closes.
func TestHangingCallEndsWithClientOrServer(t *testing.T) {
	t.Parallel()
	s, err := local.Start(t.Context(), local.Options{Instances: []string{"i"}, Faults: local.Faults{API: local.APIFault{Hang: true}}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	a := newAPI(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "POST", s.WorkspaceURL()+mePath, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	hung := make(chan error)
	go func() {
		_, err := a.http.Do(req)
		hung <- err
	}()
	testkit.Eventually(t, "the first call to arrive", func() bool { return s.Stats().APICalls == 1 })
	cancel()
	if err := <-hung; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want it canceled", err)
	}
	go func() {
		_, _, err := a.try("GET", mePath, nil)
		hung <- err
	}()
	testkit.Eventually(t, "the second call to arrive", func() bool { return s.Stats().APICalls == 2 })
	begun := time.Now()
	if err := s.Close(); err != nil {
		t.Error("close:", err)
	}
	if took := time.Since(begun); took > 20*time.Second { // it hangs for good
		t.Errorf("close with a hung call took %v", took)
	}
	if err := <-hung; err == nil {
		t.Error("the hung call was answered")
	}
}

// Of many concurrent calls, exactly Remaining fail.
func TestFaultEndsAfterRemainingCalls(t *testing.T) {
	s := sharedServer(t)
	a := withFaults(t, s, local.Faults{API: local.APIFault{Status: 503, Remaining: 5, PathPrefix: "/api/2.0/preview/"}})
	a.ok("GET", "/api/2.0/database/instances", nil) // another path
	var failed atomic.Int64
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if resp, _, err := a.try("GET", mePath, nil); err == nil && resp.StatusCode == 503 {
				failed.Add(1)
			}
		})
	}
	wg.Wait()
	if failed.Load() != 5 || s.Faults() != (local.Faults{}) {
		t.Errorf("%d calls failed, want 5; left: %+v", failed.Load(), s.Faults())
	}
}

func TestTokenFaultsChangeTokens(t *testing.T) {
	s := sharedServer(t)
	expiry := func(a *api) (expires, date time.Time) {
		t.Helper()
		resp, body, err := a.try("POST", "/api/2.0/database/credentials", object{"instance_names": []string{"my-instance"}})
		if err != nil || resp.StatusCode != 200 {
			t.Fatal(resp, body, err)
		}
		expires, err = time.Parse(time.RFC3339, body["expiration_time"].(string))
		if err != nil {
			t.Fatal(err)
		}
		date, err = http.ParseTime(resp.Header.Get("Date"))
		if err != nil {
			t.Fatal(err)
		}
		return expires, date
	}
	near := func(what string, got, want time.Duration) {
		t.Helper()
		if got < want-5*time.Second || got > want+5*time.Second {
			t.Errorf("%s: got %v, want %v", what, got, want)
		}
	}
	expires, _ := expiry(withFaults(t, s, local.Faults{}))
	near("as usual", time.Until(expires), time.Hour)
	expires, _ = expiry(withFaults(t, s, local.Faults{Tokens: local.TokenFault{Lifetime: local.Duration(20 * time.Second)}}))
	near("short token", time.Until(expires), 20*time.Second)
	skewed := withFaults(t, s, local.Faults{Tokens: local.TokenFault{ClockSkew: -local.Duration(2 * time.Hour)}})
	expires, date := expiry(skewed)
	near("the service's clock", time.Until(date), -2*time.Hour)
	near("by the service's clock", expires.Sub(date), time.Hour)
	near("by ours", time.Until(expires), -time.Hour)
}

// A reply with the date of one clock and a token of another would show a wrong
// lifetime.
func TestClockIsConstantWithinACall(t *testing.T) {
	s := sharedServer(t)
	for name, request := range map[string]struct {
		path, expiry string
		of           object
	}{
		"instance": {"/api/2.0/database/credentials", "expiration_time", object{"instance_names": []string{"my-instance"}}},
		"endpoint": {"/api/2.0/postgres/credentials", "expire_time", object{"endpoint": "projects/my-project/branches/production/endpoints/primary"}},
	} {
		t.Run(name, func(t *testing.T) {
			a := withFaults(t, s, local.Faults{
				Tokens: local.TokenFault{ClockSkew: local.Duration(2 * time.Hour)},
				API:    local.APIFault{Delay: local.Duration(300 * time.Millisecond)},
			})
			calls := s.Stats().APICalls
			type reply struct {
				*http.Response
				body object
				err  error
			}
			replied := make(chan reply, 1)
			go func() {
				resp, body, err := a.try("POST", request.path, request.of)
				replied <- reply{resp, body, err}
			}()
			testkit.Eventually(t, "the call has begun", func() bool { return s.Stats().APICalls > calls })
			if err := s.SetFaults(local.Faults{}); err != nil {
				t.Fatal(err)
			}
			got := <-replied
			if got.err != nil || got.StatusCode != 200 {
				t.Fatal(got)
			}
			expires, err := time.Parse(time.RFC3339, got.body[request.expiry].(string))
			if err != nil {
				t.Fatal(err)
			}
			date, err := http.ParseTime(got.Header.Get("Date"))
			if err != nil {
				t.Fatal(err)
			}
			if lifetime := expires.Sub(date); lifetime < 59*time.Minute || lifetime > 61*time.Minute {
				t.Errorf("the reply of %s has a token until %s: %s, want an hour", date, expires, lifetime)
			}
		})
	}
}

func TestFaultsAreSetOverREST(t *testing.T) {
	s := sharedServer(t)
	a := withFaults(t, s, local.Faults{})
	const faults = "/local/v1/faults"
	a.as("").refused("PUT", faults, object{}, 401, "UNAUTHENTICATED", "")
	if got := a.ok("PUT", faults, object{"api": object{"status": 503, "remaining": 2}}); at(got, "api", "status") != 503.0 {
		t.Errorf("set: %v", got)
	}
	a.refused("GET", mePath, nil, 503, "TEMPORARILY_UNAVAILABLE", "")
	if got := a.ok("GET", faults, nil); at(got, "api", "remaining") != 1.0 {
		t.Errorf("after one call: %v", got)
	}
	a.refused("PUT", faults, object{"api": object{"status": 1}}, 400, "INVALID_PARAMETER_VALUE", "api.status 1 is not known")
	a.refused("PUT", faults, object{"api": object{"sttus": 503}}, 400, "INVALID_PARAMETER_VALUE", `unknown field "sttus"`)
	a.refused("PUT", faults, object{"api": object{"delay": 5}}, 400, "INVALID_PARAMETER_VALUE", "")
	if got := a.ok("DELETE", faults, nil); len(got) != 0 {
		t.Errorf("ended: %v", got)
	}
	a.ok("GET", mePath, nil)
}
