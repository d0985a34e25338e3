package walls_test

// objectStates are locks, names and connections that a session holds.
var objectStates = []state{
	{
		name:     "advisory lock",
		survives: true,
		forms: []create{
			{action: expr("pg_catalog.pg_advisory_lock({n})")},
			{action: expr("pg_catalog.pg_advisory_lock({n}, 2)")},
			{action: expr("pg_catalog.pg_advisory_lock_shared({n})")},
			{action: expr("pg_catalog.pg_try_advisory_lock({n})")},
			{action: expr("pg_catalog.pg_try_advisory_lock_shared({n}, 2)")},
			{action: calls("pg_catalog.pg_advisory_lock(bigint)", "{n}")},
			{action: calls("pg_catalog.pg_try_advisory_lock_shared(int,int)", "{n}", "2")},
			{action: expr(`pg_catalog.U&"pg\005Fadvisory\005Flock"({n})`)},
			{action: expr("{s}.lock({n})"), super: true,
				before: []string{"CREATE FUNCTION {s}.lock(bigint) RETURNS void LANGUAGE internal AS 'pg_advisory_lock_int8'"}},
		},
		undo: []string{"SELECT pg_catalog.pg_advisory_unlock_all()"},
	},
	{
		name: "cursor",
		forms: []create{
			{action: do("DECLARE c{n} CURSOR WITH HOLD FOR VALUES (1), (2)")},
			{action: do("DECLARE c{n} BINARY INSENSITIVE SCROLL CURSOR WITH HOLD FOR VALUES (1), (2)")},
			{action: do("DECLARE c{n} NO SCROLL CURSOR FOR VALUES (1), (2)"), transient: true},
		},
		looks: []string{"FETCH FORWARD 0 FROM c{n}"},
		undo:  []string{"CLOSE c{n}"},
	},
	{
		name:  "portal",
		forms: []create{{action: bound("o{n}", "VALUES (1), (2)")}},
		items: func(b *builder) []item {
			return []item{{b.fill("-- executes the portal o{n}"), portal(b.fill("o{n}"))}}
		},
		undo: []string{"CLOSE ALL"},
	},
	{
		name:        "large object descriptor",
		preparation: []string{"SELECT pg_catalog.lo_from_bytea(9{n}, 'seven')"},
		forms: []create{
			{action: expr("pg_catalog.lo_open(9{n}, 262144)"), transient: true},
			{action: calls("pg_catalog.lo_open(oid,int)", "9{n}", "262144"), transient: true},
		},
		looks:   []string{"SELECT pg_catalog.loread(0, 7)"},
		cleanup: []string{"SELECT pg_catalog.lo_unlink(oid) FROM pg_catalog.pg_largeobject_metadata WHERE oid = 9{n}"},
	},
	{
		name:  "listen",
		lasts: true, // UNLISTEN does something from then on
		forms: []create{{action: do("LISTEN c{n}")}, {action: do(`LISTEN "C {n}"`, "NOTIFY c{n}")}},
		looks: []string{"NOTIFY c{n}, 'from a client that looks'"},
		undo:  []string{"UNLISTEN *"},
	},
	{
		name:     "prepared statement of SQL",
		survives: true,
		forms: []create{
			{action: do("PREPARE p{n} AS SELECT 7")},
			{action: do("PREPARE p{n} (int) AS SELECT $1, 7")},
		},
		looks: []string{"EXECUTE p{n}"},
		undo:  []string{"DEALLOCATE p{n}"},
	},
	{
		// EXECUTE does not find it, so its name is not that of a statement of SQL.
		name:     "prepared statement of the protocol",
		survives: true,
		forms:    []create{{action: parsed("w{n}", "SELECT 7")}, {action: parsed("w{n}", "SELECT x FROM accounts")}, {action: parsed("", "SELECT 7")}},
		items: func(b *builder) []item {
			name := b.fill("w{n}")
			return []item{{"-- executes the statement " + name, execute(name)}, {"-- executes the unnamed statement", execute("")}}
		},
		undo: []string{"DEALLOCATE ALL"},
	},
	{
		name:     "sequence",
		survives: true,
		forms: []create{
			{action: expr("pg_catalog.nextval('{s}.q{n}')")},
			{action: do("INSERT INTO {s}.i{n} DEFAULT VALUES")},
			{action: expr("pg_catalog.setval('{s}.q{n}', 5)")},
			{action: calls("pg_catalog.nextval(regclass)", "{s}.q{n}")},
		},
		preparation: []string{"CREATE SEQUENCE {s}.q{n}", "CREATE TABLE {s}.i{n} (a int GENERATED ALWAYS AS IDENTITY)", "GRANT ALL ON ALL SEQUENCES IN SCHEMA {s} TO PUBLIC", "GRANT ALL ON SCHEMA {s} TO PUBLIC"},
		looks:       []string{"SELECT pg_catalog.currval('{s}.q{n}')", "SELECT pg_catalog.lastval()"},
		undo:        []string{"DISCARD SEQUENCES"},
	},
	{
		name:        "cached values of a sequence",
		looksChange: true,
		survives:    true,
		forms:       []create{{action: expr("pg_catalog.nextval('{s}.q{n}')")}},
		preparation: []string{"CREATE SEQUENCE {s}.q{n} CACHE 10", "GRANT ALL ON SEQUENCE {s}.q{n} TO PUBLIC", "GRANT ALL ON SCHEMA {s} TO PUBLIC"},
		looks:       []string{"SELECT pg_catalog.nextval('{s}.q{n}')"},
		undo:        []string{"DISCARD SEQUENCES"},
	},
	{
		name:      "variable of PL/Perl",
		needs:     "plperl",
		survives:  true,
		lasts:     true,
		pervasive: true, // where the language is, texts that hide something are pinned for good
		cleanup:   []string{"DROP EXTENSION IF EXISTS plperl CASCADE"},
		preparation: []string{
			"CREATE EXTENSION IF NOT EXISTS plperl",
			"CREATE FUNCTION {s}.put{n}() RETURNS text LANGUAGE plperl AS '$_SHARED{walls} = 7; return 1'",
			"CREATE FUNCTION {s}.shared{n}() RETURNS text LANGUAGE plperl AS 'return $_SHARED{walls}'",
		},
		forms: []create{{action: expr("{s}.put{n}()")}, {action: do("DO LANGUAGE plperl '$_SHARED{walls} = 7'")}},
		looks: []string{"SELECT {s}.shared{n}()"},
	},
	{
		name:     "library",
		survives: true,
		lasts:    true,
		forms: []create{
			{action: do("LOAD 'auto_explain'", "SET auto_explain.log_min_duration = '77s'")},
			{action: do("LOAD 'auto_explain'")},
		},
		looks: []string{"SELECT pg_catalog.current_setting('auto_explain.log_min_duration', true)", "SELECT pg_catalog.current_setting('auto_explain.sample_rate', true)"},
		super: true,
	},
	{
		name:     "temporary replication slot",
		survives: true,
		lasts:    true,
		forms: []create{
			{action: expr("(pg_catalog.pg_create_physical_replication_slot('w{n}', true, true)).slot_name")},
			{action: calls("pg_catalog.pg_create_physical_replication_slot(name,boolean,boolean)", "w{n}", "f", "t")},
			{action: expr("pg_catalog.pg_create_physical_replication_slot('w{n}', temporary => true)")},
		},
		undo: []string{"SELECT pg_catalog.pg_drop_replication_slot('w{n}')"},
	},
	{
		name:        "replication origin",
		survives:    true,
		lasts:       true,
		preparation: []string{"SELECT pg_catalog.pg_replication_origin_create('w{n}') IS NOT NULL"},
		forms: []create{
			{action: expr("pg_catalog.pg_replication_origin_session_setup('w{n}')")},
			{action: calls("pg_catalog.pg_replication_origin_session_setup(text)", "w{n}")},
		},
		looks:   []string{"SELECT pg_catalog.pg_replication_origin_session_is_setup()"},
		undo:    []string{"SELECT pg_catalog.pg_replication_origin_session_reset()"},
		cleanup: []string{"SELECT pg_catalog.pg_replication_origin_drop(roname) FROM pg_catalog.pg_replication_origin WHERE roname = 'w{n}'"},
		super:   true,
	},
	{
		name:        "connection of dblink",
		survives:    true,
		lasts:       true,
		pervasive:   true, // as with PL/Perl
		preparation: []string{"CREATE EXTENSION IF NOT EXISTS dblink SCHEMA public"},
		cleanup:     []string{"DROP EXTENSION IF EXISTS dblink CASCADE"},
		forms: []create{
			{action: expr("public.dblink_connect('k{n}', 'host={host} port=5432 dbname=template1 user=super')")},
			{action: calls("public.dblink_connect(text,text)", "k{n}", "host={host} port=5432 dbname=template1 user=super")},
			{action: expr("public.dblink_connect_u('k{n}', 'host={host} port=5432 dbname=template1 user=super')")},
			{action: expr("{s}.reach('k{n}', 'host={host} port=5432 dbname=template1 user=super')"),
				before: []string{"CREATE FUNCTION {s}.reach(text, text) RETURNS text LANGUAGE c AS '$libdir/dblink', 'dblink_connect'"}},
			{action: expr("public.dblink_connect('host={host} port=5432 dbname=template1 user=super')")},
		},
		looks: []string{"SELECT public.dblink_get_connections()", "SELECT * FROM public.dblink('SELECT 7') AS t (a int)"},
		undo:  []string{"SELECT public.dblink_disconnect('k{n}')"},
		super: true,
	},
	{
		name:     "connection of a foreign table",
		survives: true,
		lasts:    true,
		forms:    []create{{action: expr("(SELECT pg_catalog.count(*) > 0 FROM walls.far)")}},
		looks:    []string{"SELECT server_name FROM public.postgres_fdw_get_connections()"},
		undo:     []string{"SELECT public.postgres_fdw_disconnect_all()"},
		super:    true,
	},
}
