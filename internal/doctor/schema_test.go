package doctor_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/lakebase-go/lakebase"
	"github.com/lakebase-go/lakebase/internal/doctor"
	"github.com/lakebase-go/lakebase/internal/roles"
	"github.com/lakebase-go/lakebase/local"
)

// TestSchema shows a schema that a person has created to the identity of an app: who
// owns what, what it may not do, and the commands that change that.
func TestSchema(t *testing.T) {
	s := start(t, "my-project", local.Options{})
	id, secret := s.ServicePrincipal()
	person := session(t, "")
	schema := "sh\"o'p\n\x1b[31m"
	execute(t, person, "SELECT databricks_create_role('"+id+"', 'SERVICE_PRINCIPAL')", "CREATE ROLE reader", "GRANT reader TO "+quote(id),
		"CREATE SCHEMA "+quote(schema), "CREATE SCHEMA shop", "GRANT USAGE ON SCHEMA shop TO "+quote(id),
		"CREATE TABLE shop.orders (id serial)", "CREATE TABLE shop.items (n int)", "GRANT SELECT ON shop.items TO reader",
		"CREATE TABLE shop.days (d date) PARTITION BY RANGE (d)", "CREATE TABLE shop.today PARTITION OF shop.days DEFAULT",
		"CREATE FUNCTION shop.f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "REVOKE EXECUTE ON FUNCTION shop.f() FROM PUBLIC",
		"CREATE TABLE shop.synced (n int)")
	// A pipeline of the service owns its tables, whose role no user is a member of.
	writer := ""
	if err := person.QueryRow(t.Context(), "SELECT 'databricks_writer_' || oid FROM pg_database WHERE datname = current_database()").Scan(&writer); err != nil {
		t.Fatal(err)
	}
	if _, err := person.Exec(t.Context(), "GRANT "+writer+" TO current_user"); err == nil {
		execute(t, person, "GRANT CREATE ON SCHEMA shop TO "+writer, "ALTER TABLE shop.synced OWNER TO "+writer, "REVOKE "+writer+" FROM current_user")
	}
	look := func(o doctor.Options) doctor.Result {
		t.Helper()
		return resultOf(examine(t, o), "schema")
	}

	r := look(doctor.Options{Schema: "shop", Role: id})
	if r.Status != doctor.Warning || !strings.Contains(r.Summary, "lacks privileges on") || r.Schema == nil {
		t.Fatalf("%+v", r)
	}
	of := func(name string) roles.Object {
		t.Helper()
		i := slices.IndexFunc(r.Schema.Objects, func(o roles.Object) bool { return o.Name == name })
		if i < 0 {
			t.Fatalf("%s is not listed", name)
		}
		return r.Schema.Objects[i]
	}
	for name, want := range map[string]string{
		"shop": "CREATE OWNER", "shop.orders": "SELECT INSERT UPDATE DELETE TRUNCATE OWNER", "shop.items": "INSERT UPDATE DELETE TRUNCATE OWNER",
		"shop.f()": "EXECUTE OWNER", "shop.orders_id_seq": "USAGE SELECT UPDATE OWNER",
	} {
		if o := of(name); strings.Join(o.Lacking, " ") != want || o.Owner != s.User() {
			t.Errorf("%s of %s lacks %q, want %q", name, o.Owner, o.Lacking, want)
		}
	}
	if !of("shop.today").Partition || of("shop.days").Partition {
		t.Error("a partition is not marked")
	}
	var commands []string
	for _, f := range r.Schema.Findings {
		commands = append(commands, f.Command)
	}
	for _, want := range []string{
		"lakebase roles adopt " + id + " --schema shop", "lakebase roles grant " + id + " --write --schema shop",
		"lakebase query 'GRANT EXECUTE ON ALL ROUTINES IN SCHEMA shop TO \"" + id + "\"'",
		"lakebase roles grant " + id + " --write --schema shop --created-by " + s.User(),
	} {
		if !slices.Contains(commands, want) {
			t.Errorf("%s is not advised:\n%s", want, strings.Join(commands, "\n"))
		}
	}
	if synced := of("shop.synced"); synced.Owner == writer && !slices.ContainsFunc(commands, func(c string) bool { return strings.Contains(c, "GRANT SELECT ON shop.synced TO") }) {
		t.Errorf("the synced table has no advice:\n%s", strings.Join(commands, "\n"))
	}
	if r := look(doctor.Options{Schema: schema, Role: id}); r.Status != doctor.Warning || strings.ContainsAny(r.Summary+r.Schema.Findings[0].Command, "\n\x1b") {
		t.Errorf("%+v", r)
	}
	if r := look(doctor.Options{Schema: "shop"}); r.Status != doctor.OK || !strings.Contains(r.Summary, s.User()+" may alter ") {
		t.Errorf("%+v", r)
	}
	// The app itself sees the same of itself, and is refused what does not exist.
	t.Setenv("DATABRICKS_TOKEN", "")
	t.Setenv("DATABRICKS_CLIENT_ID", id)
	t.Setenv("DATABRICKS_CLIENT_SECRET", secret)
	if r := look(doctor.Options{Schema: "shop"}); len(r.Schema.Findings) != len(commands) || r.Schema.Role != id {
		t.Errorf("%+v", r)
	}
	longest := strings.Repeat("s", 63) // Postgres cuts off what is longer
	execute(t, person, "CREATE SCHEMA "+longest)
	for o, words := range map[[2]string]string{{"shpo", ""}: `has no schema "shpo"`, {"shop", "ghost"}: `there is no role "ghost"`, {longest + "s", ""}: "has no schema"} {
		report := examine(t, doctor.Options{Schema: o[0], Role: o[1]})
		if r := resultOf(report, "schema"); r.Status != doctor.Failed || r.Kind != string(lakebase.KindNotFound) || !strings.Contains(r.Summary, words) || r.Action == "" {
			t.Errorf("%v: %+v", o, r)
		}
	}
}
