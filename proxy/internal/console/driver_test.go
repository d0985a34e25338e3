package console_test

import (
	"strings"
	"testing"
)

// What drivers send to any server, and people type by habit, is accepted.
func TestConsoleAcceptsWhatDriversSend(t *testing.T) {
	t.Parallel()
	r := start(t, &fake{})
	for _, mode := range allModes {
		conn := r.connectAs("me", mode)
		for _, sql := range []string{
			"show version", "SHOW VERSION;", " -- who?\nSHOW /* really /* nested */ */ Version ;", "", ";", "-- nothing",
			"SET application_name = 'x'", "SET extra_float_digits TO 3", "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", "set search_path to public, \"$user\"",
			"RESET ALL", "DISCARD ALL", "DEALLOCATE ALL", "CLOSE ALL", "UNLISTEN *", "BEGIN ISOLATION LEVEL SERIALIZABLE", "SAVEPOINT a", "ROLLBACK TO SAVEPOINT a", "COMMIT",
			"START TRANSACTION READ ONLY", "ROLLBACK", "SHOW TRANSACTION ISOLATION LEVEL", "SHOW server_version_num", "SHOW standard_conforming_strings",
			"SELECT pg_catalog.version()", "select current_schema()", "SELECT current_setting('server_version_num')::int/100",
		} {
			if strings.HasSuffix(sql, "/100") {
				continue // arithmetic is not for a console
			}
			if _, err := conn.Exec(t.Context(), sql); err != nil {
				t.Errorf("%v: %q: %v", mode, sql, err)
			}
		}
		if err := conn.Ping(t.Context()); err != nil {
			t.Error(err)
		}
		if got := one[int](t, conn, "SELECT 1"); got != 1 {
			t.Errorf("SELECT 1 is %d", got)
		}
		if got := one[string](t, conn, "SELECT version()"); !strings.HasPrefix(got, "PostgreSQL 14.0 (lakebase proxy ") {
			t.Errorf("version() is %q", got)
		}
		if got := one[string](t, conn, "SHOW application_name"); got != "x" {
			t.Errorf("application_name is %q after SET", got)
		}
		if got := one[bool](t, conn, "SELECT pg_is_in_recovery()"); got {
			t.Error("in recovery")
		}
		var n int64
		var word *string
		if err := conn.QueryRow(t.Context(), "SELECT 7 AS n, NULL, 'it''s' word, current_user").Scan(&n, nil, &word, nil); err != nil || n != 7 || *word != "it's" {
			t.Error(n, word, err)
		}
		_, err := conn.Exec(t.Context(), "SELECT * FROM pg_class")
		e := wantCode(t, err, "42601", "SELECT")
		if !strings.Contains(e.Hint, "SHOW POOLS") || !strings.Contains(e.Hint, "KILL_CLIENT id") || e.Severity != "ERROR" {
			t.Errorf("%+v", e)
		}
		_, err = conn.Exec(t.Context(), "KILL_CLIENT")
		wantCode(t, err, "42601", "want KILL_CLIENT id")
		_, err = conn.Exec(t.Context(), "SHOW POOLS now")
		wantCode(t, err, "42601", "want SHOW POOLS [EXTENDED]")
		_, err = conn.Exec(t.Context(), "SHOW CONFIG EXTENDED")
		wantCode(t, err, "42601", "want SHOW CONFIG")
		_, err = conn.Exec(t.Context(), "SET default_pool_size = 5")
		wantCode(t, err, "0A000", "default_pool_size")
	}
}

func TestConsoleTransactionsAreWhatDriversExpect(t *testing.T) {
	t.Parallel()
	conn := start(t, &fake{}).connect()
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := conn.PgConn().TxStatus(); got != 'T' {
		t.Errorf("status %c after BEGIN", got)
	}
	if _, err := tx.Exec(t.Context(), "SHOW STATE"); err != nil {
		t.Error(err)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Error(err)
	}
	if got := conn.PgConn().TxStatus(); got != 'I' {
		t.Errorf("status %c after COMMIT", got)
	}
}
