package interop

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// libpq are the settings with which every libpq program connects to a.
func (a address) libpq(password string) []string {
	env := []string{
		"PGHOST=" + a.host, "PGPORT=" + a.port, "PGUSER=" + a.user, "PGDATABASE=" + databaseName,
		"PGSSLMODE=verify-full", "PGSSLROOTCERT=" + a.root, "PGCONNECT_TIMEOUT=20",
	}
	if password != "" {
		env = append(env, "PGPASSWORD="+password)
	}
	return env
}

// psql makes a psql that reads script, if it is not "", and args.
func psql(t *testing.T, env []string, script string, args ...string) outcome {
	t.Helper()
	cmd := program(t, env, "psql", append([]string{"-X", "-w", "-A", "-t", "-v", "ON_ERROR_STOP=1"}, args...)...)
	cmd.Stdin = strings.NewReader(script)
	return finish(t, cmd)
}

func TestPsqlLogsInWithToken(t *testing.T) {
	record(t, "psql", version(t, "psql"), "token login over verified TLS: instance and endpoint")
	for _, target := range []string{instance, endpoint} {
		before := server.Stats()
		o := psql(t, addressOf(t, target).libpq(credential(t, target)), "",
			"-c", "select current_user, session_user, current_database()", "-c", `\conninfo`)
		if o.code != 0 {
			t.Errorf("%s: psql ended with %d\n%s", target, o.code, o.stderr)
			continue
		}
		if want := user + "|" + user + "|" + databaseName; !strings.Contains(o.stdout, want) {
			t.Errorf("%s: psql is logged in as %q, not %q", target, o.stdout, want)
		}
		if !strings.Contains(o.stdout, "SSL connection (protocol: TLSv1.3") {
			t.Errorf("%s: psql does not report TLS 1.3: %q", target, o.stdout)
		}
		if after := server.Stats(); after.Logins != before.Logins+1 || after.NativeLogins != before.NativeLogins {
			t.Errorf("%s: the server counted %d token logins and %d native ones, not 1 and 0",
				target, after.Logins-before.Logins, after.NativeLogins-before.NativeLogins)
		}
	}
}

func TestPsqlReadsTokenFromPasswordFile(t *testing.T) {
	record(t, "psql", version(t, "psql"), "token from PGPASSFILE")
	a := addressOf(t, instance)
	file := filepath.Join(t.TempDir(), "pgpass")
	line := fmt.Sprintf("%s:%s:%s:%s:%s\n", a.host, a.port, databaseName, a.user, credential(t, instance))
	if err := os.WriteFile(file, []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	o := psql(t, append(a.libpq(""), "PGPASSFILE="+file), "", "-c", "select current_user")
	if o.code != 0 || strings.TrimSpace(o.stdout) != user {
		t.Errorf("psql ended with %d as %q\n%s", o.code, o.stdout, o.stderr)
	}
}

func TestPsqlRunsScript(t *testing.T) {
	record(t, "psql", version(t, "psql"), "script: DDL, transaction, savepoint, prepared statement, DO, LISTEN")
	const script = `
create table interop_script (id int primary key, body text not null);
begin;
insert into interop_script select g, repeat('x', g) from generate_series(1, 1000) g;
savepoint before_mistake;
\set ON_ERROR_STOP 0
insert into interop_script values (1, 'again');
\set ON_ERROR_STOP 1
rollback to before_mistake;
commit;
prepare longest(int) as select max(length(body)) from interop_script where id <= $1;
execute longest(500);
do $$ begin perform pg_notify('interop', 'hello'); end $$;
listen interop;
notify interop, 'hello';
select count(*) as rows from interop_script \gset
\echo rows=:rows
drop table interop_script;
`
	o := psql(t, addressOf(t, instance).libpq(credential(t, instance)), script, "-f", "-")
	if o.code != 0 {
		t.Fatalf("psql ended with %d\n%s", o.code, o.stderr)
	}
	for _, want := range []string{"500\n", "rows=1000\n", `Asynchronous notification "interop" with payload "hello" received`} {
		if !strings.Contains(o.stdout, want) {
			t.Errorf("psql does not print %q:\n%s", want, o.stdout)
		}
	}
	if !strings.Contains(o.stderr, "duplicate key value violates unique constraint") {
		t.Errorf("psql does not report the mistake: %s", o.stderr)
	}
}

func TestPsqlCopiesBothWays(t *testing.T) {
	record(t, "psql", version(t, "psql"), `\copy in and out, 6 MB, byte for byte`)
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in.tsv"), filepath.Join(dir, "out.tsv")
	var content bytes.Buffer
	for i := range 50_000 {
		fmt.Fprintf(&content, "%d\tz\u00fcrich \u6e56 \\\\ %s\n", i, strings.Repeat("lake", 25))
	}
	if err := os.WriteFile(in, content.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf(`
create temporary table copied (id int, body text);
\copy copied from '%s'
\copy (select * from copied order by id) to '%s'
`, in, out)
	o := psql(t, addressOf(t, endpoint).libpq(credential(t, endpoint)), script, "-f", "-")
	if o.code != 0 {
		t.Fatalf("psql ended with %d\n%s", o.code, o.stderr)
	}
	got, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, content.Bytes()) {
		t.Errorf("%d bytes went in and %d other ones came out", content.Len(), len(got))
	}
}

func TestPsqlCancels(t *testing.T) {
	record(t, "psql", version(t, "psql"), "Ctrl-C cancels the running query, on the server too")
	a := addressOf(t, instance)
	token := credential(t, instance)
	watch := connect(t, a, token)
	const name = "interop-cancel"

	cmd := program(t, append(a.libpq(token), "PGAPPNAME="+name), "psql", "-X", "-w", "-c", "select pg_sleep(600)")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	active := func() int {
		var n int
		const query = "select count(*) from pg_stat_activity where application_name = $1 and state = 'active' and query like '%pg_sleep%'"
		if err := watch.QueryRow(t.Context(), query, name).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	eventually(t, "psql's query runs", func() bool { return active() == 1 })
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // psql reports the cancelled query as a failure
	if !strings.Contains(stderr.String(), "canceling statement due to user request") {
		t.Errorf("psql does not say that its query was cancelled: %s", stderr.String())
	}
	eventually(t, "the server's query ends", func() bool { return active() == 0 })
}

// eventually polls until the condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("after 20 s still not so: %s", what)
		}
	}
}
