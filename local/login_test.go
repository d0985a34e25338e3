package local

import (
	"log/slog"
	"testing"
	"time"

	"github.com/lakebase-go/lakebase/local/internal/frontend"
	"github.com/lakebase-go/lakebase/local/internal/model"
	"github.com/lakebase-go/lakebase/local/internal/pki"
	"github.com/lakebase-go/lakebase/local/internal/workspace"
)

// TestTokensAreRefusedAsOnTheService checks which tokens are valid for which roles,
// and the refusals of each product.
func TestTokensAreRefusedAsOnTheService(t *testing.T) {
	key, err := pki.EphemeralSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
	issuer := pki.NewIssuer(key, "http://localhost/oidc", 0, func() time.Time { return now })
	s := model.NewState("dev@example.com", false)
	dev, app := s.Principals.All()[0], s.Principals.All()[1]
	target := func(id, key, uid string, i *model.Instance) *model.Endpoint {
		p := &model.Project{ID: id, Instance: i}
		b := &model.Branch{Project: p, Ready: true, ID: "production", Default: true, Root: true}
		e := &model.Endpoint{Key: key, UID: uid, ID: "primary", Branch: b}
		b.Endpoints, p.Branches = []*model.Endpoint{e}, []*model.Branch{b}
		s.Projects = append(s.Projects, p)
		return e
	}
	provisioned := target("inst", "inst-uid", "ep-inst", &model.Instance{UID: "inst-uid"})
	autoscaling := target("proj", "ep-key", "ep-uid", nil)
	l := &Server{ws: workspace.New(workspace.Options{State: s}), tokens: issuer, log: slog.New(slog.DiscardHandler)}

	mint := func(subject string, e *model.Endpoint, edit func(*pki.Request)) string {
		r := pki.Request{Subject: subject, Audience: []string{e.UID}, Scope: pki.ScopePostgres, Lifetime: time.Hour}
		if edit != nil {
			edit(&r)
		}
		token, _, err := issuer.Mint(r)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	const identity = "Invalid authorization for databricks identity login"
	decode := "Failed to decode token for role \"dev@example.com\"\nand native postgres login was either not attempted due to configuration or failed."
	none := func(*model.Endpoint) frontend.Refusal { return frontend.Refusal{} }
	either := func(provisionedText, provisionedCode, autoscalingText string) func(*model.Endpoint) frontend.Refusal {
		return func(e *model.Endpoint) frontend.Refusal {
			if e.Provisioned() {
				return frontend.Refusal{Severity: "FATAL", Code: provisionedCode, Message: provisionedText}
			}
			return frontend.Refusal{Severity: "ERROR", Code: "XX000", Message: autoscalingText}
		}
	}
	for _, e := range []*model.Endpoint{provisioned, autoscaling} {
		for _, test := range []struct {
			name, role, token string
			want              func(*model.Endpoint) frontend.Refusal
		}{
			{"own role", "dev@example.com", mint("dev@example.com", e, nil), none},
			{"service principal", app.Name, mint(app.Name, e, nil), none},
			{"member as group", model.DefaultGroup, mint(app.Name, e, nil), none},
			{"by the key the endpoint began with", "dev@example.com", mint("dev@example.com", e, func(r *pki.Request) { r.Audience = []string{e.Key} }), none},
			{"stranger as group", model.DefaultGroup, mint(model.OutsiderUser, e, nil), either(identity, "28000", identity)},
			{"role of another identity", "dev@example.com", mint(app.Name, e, nil), either(identity, "28000", identity)},
			{"role named like the group's member", app.Name, mint("dev@example.com", e, nil), either(identity, "28000", identity)},
			{"access token", "dev@example.com", dev.Secret, either(decode, "28P01", "Provided authentication token is not a valid JWT encoding")},
			{"expired", "dev@example.com", mint("dev@example.com", e, func(r *pki.Request) { r.Lifetime = -time.Hour }), either(identity, "28000", "JWT token has expired (exp=1785582000)")},
			{"foreign", "dev@example.com", mint("dev@example.com", e, func(r *pki.Request) { r.Foreign = true }), either(decode, "28P01", "jwk not found")},
			{"other target", "dev@example.com", mint("dev@example.com", e, func(r *pki.Request) { r.Audience = []string{"ep-other"} }), either(identity, "28000", "invalid JWT token audience")},
			{"another workspace's token", "dev@example.com", mint("dev@example.com", e, func(r *pki.Request) { r.Scope = pki.ScopeWorkspace }), either(identity, "28000", "invalid JWT token audience")},
			{"workspace token", "dev@example.com", mint("dev@example.com", e, func(r *pki.Request) {
				r.Scope, r.Audience = pki.ScopeWorkspace, []string{s.WorkspaceID}
			}), func(e *model.Endpoint) frontend.Refusal {
				if e.Provisioned() {
					return frontend.Refusal{}
				}
				return frontend.Refusal{Severity: "ERROR", Code: "XX000", Message: "invalid JWT token audience"}
			}},
		} {
			got := frontend.Refusal{}
			if r := l.authenticate(&frontend.Route{Target: e.Key}, test.role, test.token); r != nil {
				got = *r
			}
			if want := test.want(e); got != want {
				t.Errorf("%s, %s: got %+v, want %+v", e.Title(), test.name, got, want)
			}
		}
	}
	good := mint("dev@example.com", autoscaling, nil)
	pooled := &frontend.Route{Target: "ep-key", Pooled: true}
	if r := l.authenticate(pooled, "dev@example.com", good); r != nil {
		t.Errorf("token at a pooled host: got %+v", r)
	}
	if err := l.faults.set(Faults{Login: LoginFault{NoPooledTokens: true}}); err != nil {
		t.Fatal(err)
	}
	if r := l.authenticate(pooled, "dev@example.com", good); r == nil || r.Message != "SASL authentication failed" {
		t.Errorf("token at a pooled host that takes none: got %+v", r)
	}
	if r := l.authenticate(&frontend.Route{Target: "gone"}, "dev@example.com", good); r == nil || r.Code != "57P03" {
		t.Errorf("deleted endpoint: got %+v", r)
	}
	issuer.RevokeAll()
	if r := l.authenticate(&frontend.Route{Target: "ep-key"}, "dev@example.com", good); r == nil || r.Message != identity {
		t.Errorf("revoked: got %+v", r)
	}
}
