package interop

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
)

// address is what a stranger knows about a database: the host from the REST
// API, the port that the server prints, and the root certificate's file.
type address struct {
	host, port string
	user       string
	root       string
}

// addressOf asks the workspace for the host of an instance or endpoint.
func addressOf(t *testing.T, target string) address {
	t.Helper()
	a := address{user: user, root: server.RootCertFile(), port: portOf(t, target)}
	if !strings.Contains(target, "/") {
		var reply struct {
			Host string `json:"read_write_dns"`
		}
		call(t, http.MethodGet, "/api/2.0/database/instances/"+target, nil, &reply)
		a.host = reply.Host
	} else {
		a.host = hostsOf(t, target)["host"]
	}
	if a.host == "" {
		t.Fatalf("the workspace names no host for %s", target)
	}
	return a
}

// hostsOf are the hosts of an endpoint by their field's name.
func hostsOf(t *testing.T, path string) map[string]string {
	t.Helper()
	var reply struct {
		Status struct {
			Hosts map[string]string `json:"hosts"`
		} `json:"status"`
	}
	call(t, http.MethodGet, "/api/2.0/postgres/"+path, nil, &reply)
	return reply.Status.Hosts
}

// portOf is the port that the server prints for target.
func portOf(t *testing.T, target string) string {
	t.Helper()
	env, err := server.Env(target)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range env {
		if v.Name == "PGPORT" {
			return v.Value
		}
	}
	return "5432"
}

// credential asks the workspace for a token for an instance or endpoint.
func credential(t *testing.T, target string) string {
	t.Helper()
	path, body := "/api/2.0/database/credentials", map[string]any{"instance_names": []string{target}, "request_id": t.Name()}
	if strings.Contains(target, "/") {
		path, body = "/api/2.0/postgres/credentials", map[string]any{"endpoint": target}
	}
	var reply struct {
		Token          string    `json:"token"`
		ExpirationTime time.Time `json:"expiration_time"`
		ExpireTime     time.Time `json:"expire_time"`
	}
	call(t, http.MethodPost, path, body, &reply)
	expires := reply.ExpirationTime
	if expires.IsZero() {
		expires = reply.ExpireTime
	}
	if left := time.Until(expires); strings.Count(reply.Token, ".") != 2 || left < 50*time.Minute || left > 61*time.Minute {
		t.Fatalf("the workspace gave no JWT, or not one of an hour: it expires at %v", expires)
	}
	return reply.Token
}

// call talks to the workspace with nothing but HTTP.
func call(t *testing.T, method, path string, body, reply any) {
	t.Helper()
	payload, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), method, server.WorkspaceURL()+path, bytes.NewReader(payload))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+server.Token())
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s", method, path, response.Status)
	}
	if err := json.NewDecoder(response.Body).Decode(reply); err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
}
