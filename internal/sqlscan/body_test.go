package sqlscan

import (
	"slices"
	"testing"
)

func TestReadBody(t *testing.T) {
	for _, tt := range []struct {
		body     string
		effects  Effects
		settings []string
		unknown  bool
	}{
		{"SELECT 1", 0, nil, false},
		{"BEGIN UPDATE t SET x = 1 WHERE y = new.y; RETURN new; END", 0, nil, false},
		{"BEGIN PERFORM set_config('app.user', who, false); END", SetConfig, []string{"app.user"}, false},
		{"SELECT set_config('App.User', $1, false)", SetConfig, []string{"app.user"}, false},
		{"BEGIN PERFORM set_config('app.user', who, true); END", SetLocal, []string{"app.user"}, false},
		{"BEGIN PERFORM set_config(key, value, false); END", SetConfig, nil, true},
		{"BEGIN IF x THEN SET app.user = 'bob'; END IF; END", Set, []string{"app.user"}, false},
		{"<<outer>> DECLARE x int; BEGIN SET LOCAL app.user = 'bob'; END", SetLocal, []string{"app.user"}, false},
		{"BEGIN LOOP SET work_mem TO '1GB'; EXIT; END LOOP; END", Set, []string{"work_mem"}, false},
		{"BEGIN SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY; END", Set, nil, false},
		{"BEGIN CREATE TEMP TABLE x (y int); END", Temp, nil, false},
		{"BEGIN CREATE TEMP TABLE x (y int) ON COMMIT DROP; END", 0, nil, false},
		{"BEGIN EXECUTE 'CREATE TEMPORARY TABLE ' || quote_ident(x) || ' (y int)'; END", Temp, nil, false},
		{"BEGIN EXECUTE format('SET app.user = %L', who); END", Set, []string{"app.user"}, false},
		{"BEGIN EXECUTE format($f$SELECT set_config('app.user', %L, false)$f$, who); END", SetConfig, []string{"app.user"}, false},
		{"BEGIN EXECUTE 'SELECT set_config(''app.user'', $1, false)' USING who; END", SetConfig, []string{"app.user"}, false},
		{"BEGIN EXECUTE command; END", Opaque, nil, false},
		{"BEGIN EXECUTE 'INSERT INTO ' || x; GRANT EXECUTE ON FUNCTION f TO y; END", 0, nil, false},
		{"BEGIN PERFORM pg_advisory_lock(1); LISTEN x; END", AdvisoryLock | Listen, nil, false},
		{"BEGIN PERFORM pg_advisory_xact_lock(1); END", 0, nil, false},
		{"BEGIN INSERT INTO t DEFAULT VALUES; RETURN currval('t_id'); END", Sequence, nil, false},
		{`plpy.execute("CREATE TEMP TABLE x (y int)")`, Temp, nil, false},
		{"BEGIN -- set app.user\n NULL; END", 0, nil, false},
		{"SELECT $1$ $2$ $3$ $4$ $5$ $6$ $7$ $8$ $$ $$ $8$ $7$ $6$ $5$ $4$ $3$ $2$ $1$", 0, nil, false}, // parameters
		{"SELECT $a$ $b$ $c$ $d$ $e$ $f$ $g$ $h$ SELECT set_config('x.y', $1, false) $h$ $g$ $f$ $e$ $d$ $c$ $b$ $a$", bodyEffects, []string{"x.y"}, true},
		{"SELECT \"", 0, nil, false},
		{"SELECT '", 0, nil, false},
		{"SELECT $x$", 0, nil, false},
		{"SELECT E'\\", 0, nil, false},
	} {
		b := ReadBody([]byte(tt.body))
		if b.Effects != tt.effects || !slices.Equal(b.Settings, tt.settings) || b.Unknown != tt.unknown {
			t.Errorf("%s\n got %v %q %v, want %v %q %v", tt.body, b.Effects, b.Settings, b.Unknown, tt.effects, tt.settings, tt.unknown)
		}
	}
}

// FuzzReadBodyReportsOnlyBodyEffects checks that no text makes ReadBody panic or
// report an effect that does not matter in a body.
func FuzzReadBodyReportsOnlyBodyEffects(f *testing.F) {
	f.Add([]byte("BEGIN EXECUTE format('SET x.y = %L', $1); END"))
	f.Add([]byte("$a$ '' \"\" E'\\'' U&\"x\" $a$"))
	f.Fuzz(func(t *testing.T, text []byte) {
		b := ReadBody(text)
		if b.Effects&^bodyEffects != 0 {
			t.Errorf("%q: %v", text, b.Effects)
		}
	})
}
