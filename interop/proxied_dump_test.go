package interop

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// dumped is what is dumped and restored: some of everything, and a large table.
const dumped = `
create type mood as enum ('sad', 'happy');
create sequence counter start 7;
create table place (id int primary key default nextval('counter'), name text not null unique, mood mood default 'happy', tags text[], more jsonb, raw bytea);
insert into place (name, tags, more, raw) select 'z\u00fcrich ' || g, array['a', null, g::text], jsonb_build_object('n', g), decode(md5(g::text), 'hex') from generate_series(1, 1000) g;
create table visit (place int references place, at timestamptz, note text, exclude (at with =));
insert into visit select id, '2026-01-01'::timestamptz + id * interval '1 hour', case when id % 3 = 0 then E'tab\t\\N' end from place;
create index on visit (note) where note is not null;
create view happy as select * from place where mood = 'happy';
create materialized view many as select count(*) from visit;
create function twice(int) returns int language sql immutable as 'select $1 * 2';
create rule keep as on delete to place where old.id = 7 do instead nothing;
comment on table place is 'where one goes';
select lo_from_bytea(4711, decode(repeat('c0ffee', 100000), 'hex'));
create table large (n int, body text);
insert into large select g, repeat(md5(g::text), 32) from generate_series(1, 100000) g;
`

// runDumpAndRestore has pg_dump and pg_restore try their skills. Privileges are left
// out: those of databricks_reader_N and databricks_writer_N are of one database.
func runDumpAndRestore(t *testing.T, v *via) report {
	t.Helper()
	from, to := v.name+"_from", v.name+"_to"
	watch := past(t)
	for _, name := range []string{from, to} {
		if err := server.CreateDatabase(t.Context(), instance, name); err != nil {
			t.Fatal(err)
		}
		defer func() { dropDatabase(t, watch, name) }()
	}
	config := watch.Config().Copy()
	config.Database = from
	source, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close(t.Context())
	if _, err := source.Exec(t.Context(), dumped); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	run := func(want int, name string, args ...string) (outcome, error) {
		o := finish(t, program(t, v.env(), name, append([]string{"-w"}, args...)...))
		if o.code != want {
			return o, fmt.Errorf("%s %s ended with %d: %s", name, strings.Join(args, " "), o.code, o.stderr)
		}
		return o, nil
	}
	r := report{}
	r.attempt("connect", func() error {
		_, err := run(0, "pg_dump", "-x", "--schema-only", "-f", filepath.Join(dir, "schema.sql"), "-d", from)
		return err
	})
	r.attempt("transaction", func() error { // one snapshot for three connections
		_, err := run(0, "pg_dump", "-x", "-Fd", "-j", "2", "-T", "large", "-f", filepath.Join(dir, "all"), "-d", from)
		return err
	})
	r.attempt("copy", func() error {
		if _, err := run(0, "pg_restore", "-j", "2", "-d", to, filepath.Join(dir, "all")); err != nil {
			return err
		}
		return sameDump(t, from, to, "-T", "large")
	})
	r.attempt("100 MB", func() error {
		if _, err := run(0, "pg_dump", "-x", "-Fc", "-Z0", "-t", "large", "-f", filepath.Join(dir, "large"), "-d", from); err != nil {
			return err
		}
		if _, err := run(0, "pg_restore", "-1", "-d", to, filepath.Join(dir, "large")); err != nil {
			return err
		}
		return sameDump(t, from, to)
	})
	r.attempt("error", func() error { // of what is there already
		o, err := run(1, "pg_restore", "-d", to, "-t", "visit", filepath.Join(dir, "all"))
		if err == nil && !strings.Contains(o.stderr, "errors ignored on restore") {
			err = fmt.Errorf("pg_restore does not count its errors: %s", o.stderr)
		}
		return err
	})
	return r
}

// sameDump demands that two databases have the same content and schema, as
// pg_dump sees them without the proxy.
func sameDump(t *testing.T, one, other string, args ...string) error {
	a := addressOf(t, instance)
	env := a.libpq(credential(t, instance))
	var sums [2][]byte
	for i, name := range []string{one, other} {
		var stderr bytes.Buffer
		cmd := program(t, env, "pg_dump", append([]string{"-w", "-x", "-d", name}, args...)...)
		cmd.Stderr = &stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			return err
		}
		if err := cmd.Start(); err != nil {
			return err
		}
		hash := sha256.New()
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			// Newer versions of pg_dump write a word at random.
			if !bytes.HasPrefix(lines.Bytes(), []byte("\\restrict ")) && !bytes.HasPrefix(lines.Bytes(), []byte("\\unrestrict ")) {
				fmt.Fprintf(hash, "%s\n", lines.Bytes())
			}
		}
		if err := errors.Join(lines.Err(), cmd.Wait()); err != nil {
			return fmt.Errorf("pg_dump of %s: %w: %s", name, err, stderr.String())
		}
		sums[i] = hash.Sum(nil)
	}
	if !bytes.Equal(sums[0], sums[1]) {
		return fmt.Errorf("%s and %s differ", one, other)
	}
	return nil
}

func dropDatabase(t *testing.T, conn *pgx.Conn, name string) {
	t.Helper()
	if _, err := conn.Exec(context.Background(), "drop database "+name+" with (force)"); err != nil {
		t.Error(err)
	}
}
