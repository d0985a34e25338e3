package local_test

import (
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lakebase-go/lakebase/internal/postgres"
	"github.com/lakebase-go/lakebase/internal/testkit/testpostgres"
	"github.com/lakebase-go/lakebase/local"
)

func TestExternalServerHasOneInstance(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	server := testpostgres.Start(t)
	o := local.Options{
		DataDir:     filepath.Join(t.TempDir(), "data"),
		DatabaseURL: "postgres:///postgres?user=" + postgres.Admin + "&host=" + url.QueryEscape(server.SocketDir()),
	}
	s, err := local.Start(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	if got := clientFor(t, s, "my-instance").query(t, s, "SELECT current_user::text"); got != s.User() {
		t.Errorf("logged in as %s", got)
	}
	a := newAPI(t, s)
	const unavailable = "not available with DatabaseURL"
	a.refused("POST", "/api/2.0/postgres/projects?project_id=p", object{}, 501, "NOT_IMPLEMENTED", unavailable)
	a.refused("POST", "/api/2.0/database/instances", object{"name": "second"}, 501, "NOT_IMPLEMENTED", unavailable)
	a.refused("PATCH", "/api/2.0/database/instances/my-instance?update_mask=*", object{"node_count": 2, "enable_readable_secondaries": true}, 501, "NOT_IMPLEMENTED", unavailable)
	a.refused("PATCH", "/api/2.0/database/instances/my-instance?update_mask=stopped", object{"stopped": true}, 501, "NOT_IMPLEMENTED", unavailable)
	for name, err := range map[string]error{
		"stop":     s.StopTarget(ctx, ""),
		"start":    s.StartTarget(ctx, ""),
		"suspend":  s.Suspend(ctx, ""),
		"failover": s.Failover(ctx, "", 0),
		"upgrade":  s.UpgradeInstance(ctx, "my-instance"),
	} {
		if err == nil || !strings.Contains(err.Error(), unavailable) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	a.ok("POST", "/api/2.0/database/instances/my-instance/roles", object{"name": "data-team", "identity_type": "GROUP"})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	o.DatabaseURL = ""
	if s, err := local.Start(ctx, o); err == nil || !strings.Contains(err.Error(), "was made with DatabaseURL") {
		t.Errorf("without the URL: %v, %v", s, err)
	}
}
