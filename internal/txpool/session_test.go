package txpool

// sessionScripts are about the state of the session: settings, and reasons to pin.
var sessionScripts = map[string]string{
	"settings at the start": `
		startup timezone=UTC application_name=app
		c Q(select 1) Q(select 2)
		stalled
		> Q(SELECT set_config('application_name','app',false),set_config('timezone','UTC',false);)
		s T D C(SELECT 1) S(TimeZone=UTC) Z(I)
		c
		> Q(select 1) Q(select 2)
		s T D C(SELECT 1) Z(I) C(SELECT 1) Z(I)
		< S(TimeZone=UTC) T D C(SELECT 1) Z(I) C(SELECT 1) Z(I)
		idle
		link c2 s1
		c Q(select 3)
		> Q(RESET "application_name";RESET "timezone";)
		s C(RESET) C(RESET) S(TimeZone=GMT) Z(I)
		c
		> Q(select 3)
		s C(SELECT 1) Z(I)
		< S(TimeZone=GMT) C(SELECT 1) Z(I)
		idle`,
	"the client does not wait for another application_name": `
		startup application_name=app
		c Q(select 1)
		> Q(SELECT set_config('application_name','app',false);) Q(select 1)
		s T D C(SELECT 1) S(application_name=app) Z(I) T D C(SELECT 1) Z(I)
		< S(application_name=app) T D C(SELECT 1) Z(I)
		idle
		settings application_name=app`,
	"a server does not end its session while no client uses it": `
		c Q(set idle_session_timeout to '5s')
		s C(SET) Z(I)
		internal
		> Q(set idle_session_timeout to '5s') Q(inspect settings)
		s T R(idle_session_timeout=5000) C(SELECT 1) Z(I)
		< C(SET) Z(I)
		busy
		internal
		> Q(RESET idle_session_timeout)
		c Q(select 1)
		stalled
		s C(RESET) Z(I)
		c
		stalled
		> Q(SELECT set_config('idle_session_timeout','5000',false);)
		s T D C(SELECT 1) Z(I)
		c
		> Q(select 1)
		s C(SELECT 1) Z(I)
		< C(SELECT 1) Z(I)
		disconnect
		internal
		> Q(RESET idle_session_timeout)
		s E(57014) Z(I)
		busy
		internal
		> Q(RESET idle_session_timeout)
		s C(RESET) Z(I)
		idle
		link c2 s1
		c Q(select 2)
		> Q(select 2)
		s C(SELECT 1) Z(I)
		< C(SELECT 1) Z(I)
		idle`,
	"the server of a pinned client may end the session": `
		c Q(listen x; set idle_session_timeout to '5s')
		s C(LISTEN) C(SET) Z(I)
		internal
		> Q(listen x; set idle_session_timeout to '5s') Q(inspect LISTEN, settings)
		s T R(LISTEN) R(idle_session_timeout=5000) C(SELECT 2) Z(I)
		< C(LISTEN) C(SET) Z(I)
		pinned LISTEN
		internal
		>
		c Q(unlisten x)
		s C(UNLISTEN) Z(I)
		internal
		> Q(unlisten x) Q(inspect everything)
		s T R(idle_session_timeout=5000) C(SELECT 0) Z(I)
		< C(UNLISTEN) Z(I)
		busy
		internal
		> Q(RESET idle_session_timeout)
		s C(RESET) Z(I)
		idle
		settings idle_session_timeout=5000`,
	"a server that ends while it gets the settings": `
		startup application_name=app
		c Q(select 1)
		> Q(SELECT set_config('application_name','app',false);) Q(select 1)
		s E(FATAL 57P01)
		unforwarded
		<`,
	"rejected settings": `
		startup timezone=Nowhere
		c Q(select 1)
		stalled
		> Q(SELECT set_config('timezone','Nowhere',false);)
		s E(22023) Z(I)
		rejected 22023
		c
		stalled
		disconnect
		idle
		<
		link c2 s1
		c Q(select 1)
		> Q(select 1)
		s C(SELECT 1) Z(I)
		< C(SELECT 1) Z(I)`,
	"a cancel request that hits the settings": `
		startup timezone=UTC
		c Q(select 1)
		> Q(SELECT set_config('timezone','UTC',false);)
		s E(57014) Z(I)
		c
		> Q(SET LOCAL statement_timeout = 0;SELECT set_config('timezone','UTC',false);)
		s C(SET) C(SELECT 1) Z(I)
		c
		> Q(select 1)
		s C(SELECT 1) Z(I)
		< C(SELECT 1) Z(I)`,
	"SET is carried over": `
		c Q(set statement_timeout = 5)
		s C(SET) Z(I)
		internal
		> Q(set statement_timeout = 5) Q(inspect settings)
		s T R(statement_timeout=5) C(SELECT 1) Z(I)
		< C(SET) Z(I)
		idle
		settings statement_timeout=5
		link c1 s2
		c Q(select 1)
		> Q(SELECT set_config('statement_timeout','5',false);)
		s T D C(SELECT 1) Z(I)
		c
		> Q(select 1)
		s C(SELECT 1) Z(I)
		< C(SELECT 1) Z(I)
		idle`,
	"SET that is rolled back": `
		c Q(begin; set x = 1)
		s C(BEGIN) C(SET) Z(T)
		internal
		busy
		c Q(rollback)
		s C(ROLLBACK) Z(I)
		internal
		> Q(begin; set x = 1) Q(rollback) Q(inspect settings)
		s C(SELECT 0) Z(I)
		< C(BEGIN) C(SET) Z(T) C(ROLLBACK) Z(I)
		idle
		settings `,
	"RESET goes back to the start": `
		startup timezone=UTC
		c Q(reset all)
		> Q(SELECT set_config('timezone','UTC',false);)
		s C(SELECT 1) Z(I)
		c
		s C(RESET) Z(I)
		internal
		> Q(reset all) Q(inspect settings)
		s C(SELECT 0) Z(I)
		settings timezone=UTC
		idle
		c Q(select 1)
		> Q(SELECT set_config('timezone','UTC',false);)
		s C(SELECT 1) Z(I)
		c
		> Q(select 1)
		s C(SELECT 1) Z(I)
		< C(RESET) Z(I) C(SELECT 1) Z(I)
		idle`,
	"a request that comes before the server is asked": `
		c Q(set x = 1)
		s C(SET) Z(I)
		c Q(select 1)
		stalled
		> Q(set x = 1) Q(inspect settings)
		s T R(x=1) C(SELECT 1) Z(I)
		settings x=1
		c
		> Q(select 1)
		s C(SELECT 1) Z(I)
		< C(SET) Z(I) C(SELECT 1) Z(I)
		idle`,
	"a notification while the server is asked": `
		c Q(listen x)
		s C(LISTEN) Z(I)
		internal
		s A T R(LISTEN) C(SELECT 1) N A Z(I)
		> Q(listen x) Q(inspect LISTEN)
		< C(LISTEN) Z(I) A A
		pinned LISTEN`,
	"gone before the settings were of use": `
		startup timezone=UTC
		c Q(select 1)
		> Q(SELECT set_config('timezone','UTC',false);)
		s S(TimeZone=UTC) C(SELECT 1) Z(I)
		disconnect
		internal
		idle`,
	"RESET while pinned": `
		startup timezone=UTC
		c Q(listen x)
		> Q(SELECT set_config('timezone','UTC',false);)
		s C(SELECT 1) Z(I)
		c
		s C(LISTEN) Z(I)
		internal
		s T R(LISTEN) C(SELECT 1) Z(I)
		pinned LISTEN
		c Q(reset all)
		s C(RESET) Z(I)
		internal
		> Q(listen x) Q(inspect LISTEN) Q(reset all) Q(inspect everything)
		s T R(LISTEN) C(SELECT 1) Z(I)
		c Q(select 1)
		> Q(SELECT set_config('timezone','UTC',false);)
		s C(SELECT 1) Z(I)
		c
		> Q(select 1)
		s C(SELECT 1) Z(I)
		< C(LISTEN) Z(I) C(RESET) Z(I) C(SELECT 1) Z(I)
		pinned LISTEN`,
	"RESET of nothing is no reason to ask": `
		c Q(reset all)
		s C(RESET) Z(I)
		internal
		> Q(reset all)
		< C(RESET) Z(I)
		idle`,
	"a setting that a function has set": `
		s S(TimeZone=GMT)
		c Q(select f())
		s S(TimeZone=UTC) C(SELECT 1) Z(I)
		busy
		internal
		> Q(select f()) Q(inspect everything, hidden)
		s T R(TimeZone=UTC) C(SELECT 1) Z(I)
		< S(TimeZone=GMT) S(TimeZone=UTC) C(SELECT 1) Z(I)
		settings timezone=UTC
		idle`,
	"a setting that a transaction has set": `
		s S(TimeZone=GMT)
		c Q(begin; set local timezone = x)
		s C(BEGIN) S(TimeZone=x) C(SET) Z(T)
		c Q(commit)
		s S(TimeZone=GMT) C(COMMIT) Z(I)
		internal
		idle
		> Q(begin; set local timezone = x) Q(commit)
		< S(TimeZone=GMT) C(BEGIN) S(TimeZone=x) C(SET) Z(T) S(TimeZone=GMT) C(COMMIT) Z(I)`,
	"a role goes first and comes last": `
		startup role=a search_path=s zero_damaged_pages=off
		c Q(select 1)
		> Q(SELECT set_config('search_path','s',false),set_config('zero_damaged_pages','off',false);SELECT set_config('role','a',false);)
		s C(SELECT 1) Z(I)
		c
		> Q(select 1)
		s C(SELECT 1) Z(I)
		< C(SELECT 1) Z(I)
		link c2 s1
		startup role=b search_path=t
		c Q(select 1)
		> Q(RESET ROLE;RESET "zero_damaged_pages";SELECT set_config('search_path','t',false);SELECT set_config('role','b',false);)
		s C(SELECT 1) Z(I)
		c
		> Q(select 1)
		s C(SELECT 1) Z(I)
		< C(SELECT 1) Z(I)`,
	"what a text means depends on settings": `
		c P(s1,select * from t) S
		s 1 Z(I)
		> P(lb_1,select * from t) S
		< 1 Z(I)
		link c2 s1
		startup search_path=x
		c P(s1,select * from t) S
		> Q(SELECT set_config('search_path','x',false);)
		s C(SELECT 1) Z(I)
		c
		> P(lb_2,select * from t) S
		s 1 Z(I)
		< 1 Z(I)
		link c3 s1
		startup search_path=x work_mem=1
		c P(s3,select * from t) S
		> Q(SELECT set_config('work_mem','1',false);)
		s C(SELECT 1) Z(I)
		c
		> S
		s Z(I)
		< 1 Z(I)`,
	"a text under settings that are not known is for now": `
		c P(s1,select * from t) S
		s 1 Z(I)
		c Q(begin; set local search_path = x)
		s C(BEGIN) C(SET) Z(T)
		c B(s1) E S
		> P(lb_1,select * from t) S Q(begin; set local search_path = x) P(lb_2,select * from t) B(lb_2) E S
		s 1 2 C(SELECT 1) Z(T)
		c Q(commit)
		s C(COMMIT) Z(I)
		idle
		c B(s1) E P(s2,select 2) S
		> Q(commit) B(lb_1) E C(lb_2) P(lb_3,select 2) S
		s 2 C(SELECT 1) 3 1 Z(I)
		< 1 Z(I) C(BEGIN) C(SET) Z(T) 2 C(SELECT 1) Z(T) C(COMMIT) Z(I) 2 C(SELECT 1) 1 Z(I)
		idle`,
	"pinned until it is given back": `
		c Q(select pg_advisory_lock(1))
		s C(SELECT 1) Z(I)
		internal
		s T R(ADVISORY LOCK) C(SELECT 1) Z(I)
		pinned ADVISORY LOCK
		internal
		c Q(select 1)
		s C(SELECT 1) Z(I)
		internal
		> Q(select pg_advisory_lock(1)) Q(inspect ADVISORY LOCK) Q(select 1)
		c Q(select pg_advisory_unlock(1))
		s C(SELECT 1) Z(I)
		internal
		> Q(select pg_advisory_unlock(1)) Q(inspect everything)
		s C(SELECT 0) Z(I)
		idle
		< C(SELECT 1) Z(I) C(SELECT 1) Z(I) C(SELECT 1) Z(I)`,
	"pinned until the table is dropped": `
		c Q(create temp table t ())
		s C(CREATE TABLE) Z(I)
		internal
		s T R(TEMP) C(SELECT 1) Z(I)
		pinned TEMP
		c Q(drop table t)
		s C(DROP TABLE) Z(I)
		internal
		s C(SELECT 0) Z(I)
		idle
		> Q(create temp table t ()) Q(inspect TEMP) Q(drop table t) Q(inspect everything)
		< C(CREATE TABLE) Z(I) C(DROP TABLE) Z(I)`,
	"an encoding in which text cannot be read": `
		startup client_encoding=SJIS
		c Q(select 1)
		> Q(SELECT set_config('client_encoding','SJIS',false);)
		s C(SELECT 1) Z(I)
		pinned ENCODING
		c
		> Q(select 1)
		s C(SELECT 1) Z(I)
		< C(SELECT 1) Z(I)
		pinned ENCODING`,
	"an inspection that is canceled": `
		c Q(set x = 1)
		s C(SET) Z(I)
		internal
		s E(57014) Z(I)
		busy
		internal
		> Q(set x = 1) Q(inspect settings) Q(inspect settings)
		s T R(x=1) C(SELECT 1) Z(I)
		idle
		< C(SET) Z(I)`,
	"a final reason that an inspection has found stays": `
		c Q(select f())
		s C(SELECT 1) Z(I)
		internal
		> Q(select f()) Q(inspect everything, hidden)
		s T R(REPLICATION SLOT) C(SELECT 1) Z(I)
		< C(SELECT 1) Z(I)
		pinned REPLICATION SLOT
		c Q(select set_config($1, 'x', false))
		s C(SELECT 1) Z(I)
		internal
		> Q(select set_config($1, 'x', false)) Q(inspect settings)
		s C(SELECT 0) Z(I)
		< C(SELECT 1) Z(I)
		pinned REPLICATION SLOT`,
	"sequences of others": `
		c Q(select nextval('s'))
		s C(SELECT 1) Z(I)
		> Q(select nextval('s'))
		< C(SELECT 1) Z(I)
		link c2 s1
		c Q(select currval('s'))
		> Q(DISCARD SEQUENCES) Q(select currval('s'))
		s C(DISCARD SEQUENCES) Z(I) E(55000) Z(I)
		< E(55000) Z(I)
		pinned CURRVAL
		c Q(select nextval('s'); select currval('s'))
		> Q(select nextval('s'); select currval('s'))
		s C(SELECT 1) C(SELECT 1) Z(I)
		< C(SELECT 1) C(SELECT 1) Z(I)`,
	"sequences where clients ask for them": `
		c Q(select lastval())
		s E(55000) Z(I)
		> Q(select lastval())
		< E(55000) Z(I)
		c Q(discard all)
		s C(DISCARD ALL) Z(I)
		internal
		> Q(discard all) Q(inspect everything)
		s C(SELECT 0) Z(I)
		< C(DISCARD ALL) Z(I)
		idle
		link c2 s1
		c Q(select 1)
		> Q(DISCARD SEQUENCES) Q(select 1)
		s C(DISCARD SEQUENCES) Z(I) C(SELECT 1) Z(I)
		< C(SELECT 1) Z(I)
		c Q(select 2)
		> Q(select 2)`,
	"sequences of others behind a request": `
		c Q(select nextval('s'))
		s C(SELECT 1) Z(I)
		> Q(select nextval('s'))
		< C(SELECT 1) Z(I)
		link c2 s1
		c Q(select 1) Q(select lastval())
		stalled
		> Q(select 1)
		s C(SELECT 1) Z(I)
		c
		> Q(DISCARD SEQUENCES) Q(select lastval())
		s C(DISCARD SEQUENCES) Z(I) E(55000) Z(I)
		< C(SELECT 1) Z(I) E(55000) Z(I)`,
	"sequences of others in a prepared statement": `
		c P(s1,select lastval()) S
		s 1 Z(I)
		> P(lb_1,select lastval()) S
		< 1 Z(I)
		link c2 s1
		c Q(select nextval('s'))
		s C(SELECT 1) Z(I)
		> Q(select nextval('s'))
		< C(SELECT 1) Z(I)
		link c1 s1
		c B(s1) E S
		> Q(DISCARD SEQUENCES) B(lb_1) E S
		s C(DISCARD SEQUENCES) Z(I) 2 E(55000) Z(I)
		< 2 E(55000) Z(I)`,
	"sequences of others in a transaction": `
		c Q(select nextval('s'))
		s C(SELECT 1) Z(I)
		> Q(select nextval('s'))
		< C(SELECT 1) Z(I)
		link c2 s1
		c Q(begin)
		s C(BEGIN) Z(T)
		c P(,select lastval()) B() E S
		> Q(begin) Q(DISCARD SEQUENCES) P(,select lastval()) B() E S
		s C(DISCARD SEQUENCES) Z(T) 1 2 E(55000) Z(E)
		< C(BEGIN) Z(T) 1 2 E(55000) Z(E)`,
	"one's own sequences": `
		c Q(begin)
		s C(BEGIN) Z(T)
		c Q(insert into t values (1))
		s C(INSERT 0 1) Z(T)
		c Q(select lastval())
		> Q(begin) Q(insert into t values (1)) Q(select lastval())
		s C(SELECT 1) Z(T)
		< C(BEGIN) Z(T) C(INSERT 0 1) Z(T) C(SELECT 1) Z(T)`,
	"gone in a transaction": `
		c Q(begin)
		s C(BEGIN) Z(T)
		c Q(select 1)
		disconnect
		internal
		> Q(begin) Q(select 1)
		s C(SELECT 1) Z(T)
		internal
		> Q(ROLLBACK)
		s C(ROLLBACK) Z(I)
		internal
		idle
		< C(BEGIN) Z(T) C(SELECT 1) Z(T)`,
	"gone with a temporary table": `
		c P(s1,select 1) Q(create temp table t ())
		s 1 C(CREATE TABLE) Z(I)
		disconnect
		internal
		> P(lb_1,select 1) Q(create temp table t ()) Q(inspect TEMP)
		s T R(TEMP) C(SELECT 1) Z(I)
		internal
		> Q(DISCARD ALL)
		s C(DISCARD ALL) Z(I)
		internal
		idle
		< 1 C(CREATE TABLE) Z(I)
		link c2 s1
		c P(s1,select 1) S
		> Q(reset) P(lb_2,select 1) S
		s C(RESET) Z(I) 1 Z(I)
		< 1 Z(I)`,
	"gone with settings": `
		c Q(set x = 1)
		s C(SET) Z(I)
		disconnect
		internal
		> Q(set x = 1) Q(inspect settings)
		s T R(x=1) C(SELECT 1) Z(I)
		idle
		< C(SET) Z(I)
		link c2 s1
		c Q(select 1)
		> Q(RESET "x";)
		s C(RESET) Z(I)
		c
		> Q(select 1)
		s C(SELECT 1) Z(I)
		< C(SELECT 1) Z(I)`,
	"gone in a pipeline": `
		c P(s1,select 1) B(s1) E
		disconnect
		> P(lb_1,select 1) B(lb_1) E P(,ROLLBACK) B() E S
		s 1 2 C(SELECT 1) 1 2 C(ROLLBACK) Z(I)
		idle
		< 1 2 C(SELECT 1) C(ROLLBACK) Z(I)
		link c2 s1
		c B() S
		> C() B() S
		s 3 E(26000) Z(I)
		< E(26000) Z(I)`,
	"gone in a pipeline that fails": `
		c P(s1,select 1) B(s1) E
		disconnect
		> P(lb_1,select 1) B(lb_1) E P(,ROLLBACK) B() E S
		s 1 2 E(57014) Z(I)
		idle
		< 1 2 E(57014) Z(I)`,
	"gone after an error in a pipeline": `
		c P(s1,bad) H
		s E(42601)
		disconnect
		> P(lb_1,bad) H S
		s Z(I)
		idle
		< E(42601) Z(I)`,
	"gone in a copy": `
		c Q(copy t from stdin) d(1)
		s G
		disconnect
		> Q(copy t from stdin) d(1) f(the client has disconnected)
		s E(57014) Z(I)
		idle
		< G E(57014) Z(I)`,
	"gone in a copy by extended protocol": `
		c P(,copy t from stdin) B() E H
		s 1 2 G
		disconnect
		> P(,copy t from stdin) B() E H f(the client has disconnected) S
		s E(57014) Z(I)
		idle
		< 1 2 G E(57014) Z(I)`,
	"gone with a library": `
		c Q(load 'x')
		s C(LOAD) Z(I)
		lost
		> Q(load 'x')
		< C(LOAD) Z(I)`,
	"gone with a Close that fails": `
		c P(s1,select 1) S
		s 1 Z(I)
		c B(x) C(s1) S
		disconnect
		> P(lb_1,select 1) S B(x) S
		s E(26000) Z(I)
		idle
		< 1 Z(I) E(26000) Z(I)`,
}

func init() {
	for name, script := range sessionScripts {
		scripts["session: "+name] = script
	}
}
