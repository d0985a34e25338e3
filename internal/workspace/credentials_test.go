package workspace

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

const (
	instanceCredentials = "POST /api/2.0/database/credentials"
	endpointCredentials = "POST /api/2.0/postgres/credentials"
	testEndpoint        = "projects/p/branches/b/endpoints/e"
)

func fakeJWT(claims string) string {
	enc := base64.RawURLEncoding.EncodeToString
	return enc([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + enc([]byte(claims)) + "." + enc([]byte("signature"))
}

func TestCredentialRequests(t *testing.T) {
	t.Parallel()
	s := newService(t)
	expiry := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	s.answer(instanceCredentials, 200, map[string]string{"token": "t1", "expiration_time": expiry})
	s.answer(endpointCredentials, 200, map[string]string{"token": "t2", "expire_time": expiry})
	c := s.client(t)

	got, err := c.InstanceCredential(t.Context(), "my/instance", nil)
	if err != nil || got.Secret != "t1" {
		t.Fatalf("%v, %v", got, err)
	}
	r, body := s.last(t)
	var in struct {
		RequestID string   `json:"request_id"`
		Instances []string `json:"instance_names"`
	}
	if err := json.Unmarshal([]byte(body), &in); err != nil || len(in.Instances) != 1 || in.Instances[0] != "my/instance" || uuid.Validate(in.RequestID) != nil {
		t.Errorf("sent %s", body)
	}
	if r.Header.Get("Content-Type") != "application/json" {
		t.Errorf("sent %q", r.Header)
	}

	for ttl, want := range map[time.Duration]string{
		0:                    `{"endpoint":"` + testEndpoint + `"}`,
		5 * time.Minute:      `{"endpoint":"` + testEndpoint + `","ttl":"300s"}`,
		300500 * 1000 * 1000: `{"endpoint":"` + testEndpoint + `","ttl":"301s"}`,
		time.Hour:            `{"endpoint":"` + testEndpoint + `","ttl":"3600s"}`,
		-time.Second:         `{"endpoint":"` + testEndpoint + `"}`,
	} {
		got, err := c.EndpointCredential(t.Context(), testEndpoint, ttl, nil)
		if err != nil || got.Secret != "t2" {
			t.Fatalf("%v, %v", got, err)
		}
		if _, body := s.last(t); body != want {
			t.Errorf("ttl %s: sent %s, want %s", ttl, body, want)
		}
	}
}

func TestCredentialLifetime(t *testing.T) {
	t.Parallel()
	now := time.Date(2031, 5, 6, 7, 8, 9, 0, time.UTC) // the server's; ours is years off
	expiry := now.Add(time.Hour)
	claim := fakeJWT(fmt.Sprintf(`{"exp":%d}`, expiry.Unix()))
	tests := []struct{ name, body string }{
		{"database", `{"token":"t","expiration_time":"2031-05-06T08:08:09Z"}`},
		{"postgres", `{"token":"t","expire_time":"2031-05-06T08:08:09Z"}`},
		{"both", `{"token":"t","expire_time":"2031-05-06T08:08:09Z","expiration_time":"2031-05-06T09:00:00Z"}`},
		{"fraction", `{"token":"t","expire_time":"2031-05-06T08:08:09.000Z"}`},
		{"offset", `{"token":"t","expire_time":"2031-05-06T10:08:09+02:00"}`},
		{"null and the other", `{"token":"t","expire_time":null,"expiration_time":"2031-05-06T08:08:09Z"}`},
		{"claim", fmt.Sprintf(`{"token":%q}`, claim)},
		{"claim instead of nonsense", fmt.Sprintf(`{"token":%q,"expire_time":"soon"}`, claim)},
		{"claim instead of a time without a zone", fmt.Sprintf(`{"token":%q,"expire_time":"2031-05-06T09:00:00"}`, claim)},
		{"claim instead of a number", fmt.Sprintf(`{"token":%q,"expiration_time":%d}`, claim, expiry.UnixMilli())},
	}
	s := newService(t)
	next := make(chan string, 1)
	s.mux.HandleFunc(instanceCredentials, func(w http.ResponseWriter, r *http.Request) {
		send(w, 200, <-next, "Date", now.Format(http.TimeFormat))
	})
	c := s.client(t)
	for _, tt := range tests {
		next <- tt.body
		got, err := c.InstanceCredential(t.Context(), "x", nil)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if want := time.Hour - time.Second; got.Lifetime != want {
			t.Errorf("%s: lifetime %s, want %s", tt.name, got.Lifetime, want)
		}
		if off := time.Since(now) - got.Skew; off.Abs() > 5*time.Second {
			t.Errorf("%s: skew is off by %s", tt.name, off)
		}
	}
}

func TestCredentialWithoutExpiry(t *testing.T) {
	t.Parallel()
	for name, token := range map[string]string{
		"opaque":        "opaque",
		"no claim":      fakeJWT(`{"sub":"me"}`),
		"claim is text": fakeJWT(`{"exp":"soon"}`),
		"not base64":    "a.*.c",
		"not JSON":      "a.YWJj.c",
	} {
		s := newService(t)
		s.answer(instanceCredentials, 200, map[string]string{"token": token})
		got, err := s.client(t).InstanceCredential(t.Context(), "x", nil)
		if err != nil || got.Lifetime != assumedLifetime {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestCredentialWithoutDate(t *testing.T) {
	t.Parallel()
	s := newService(t)
	s.mux.HandleFunc(instanceCredentials, func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Date"] = nil // net/http leaves it out
		send(w, 200, map[string]string{"token": "t", "expiration_time": time.Now().Add(time.Hour).Format(time.RFC3339Nano)})
	})
	got, err := s.client(t).InstanceCredential(t.Context(), "x", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got.Skew != 0 || got.Lifetime < time.Hour || got.Lifetime > time.Hour+5*time.Second {
		t.Errorf("lifetime %s, skew %s", got.Lifetime, got.Skew)
	}
}

func TestCredentialWithoutToken(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`{}`, `{"token":""}`, `{"token":7}`, `[]`, `"eyJhbGciOi.SECRET.sig"`, `eyJhbGciOi.SECRET.sig`, ``} {
		s := newService(t)
		s.answer(instanceCredentials, 200, body)
		_, err := s.client(t).InstanceCredential(t.Context(), "x", nil)
		e := asError(t, err)
		if e.Code != codeMalformed || !e.Temporary() || strings.Contains(err.Error(), "SECRET") || strings.Contains(err.Error(), `""`) {
			t.Errorf("%s: %v", body, err)
		}
	}
}
