package txpool

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/lakebase-go/lakebase/internal/pgwire"
	"github.com/lakebase-go/lakebase/internal/sqlscan"
)

// A script is a list of lines:
//
//	c ...        the client sends
//	s ...        the server sends
//	> ...        all that the server got since the last such line
//	< ...        all that the client got since the last such line
//	idle, busy   whether the server may be linked to another client
//	stalled      the client's message waits
//	pinned x     the reason for which the client is pinned
//	forwarded    the server ends, and the client got its error; unforwarded if not
//	internal     the relay sends the next internal query
//	disconnect   the client disconnects; lost if the server must be closed
//	startup x=y  the settings of the client's startup packet, before a link
//	settings x=y the client's settings now
//	unscanned    the catalog has not been scanned, before a link
//	outdated     a scan of the catalog becomes due, during a link
//	rejected x   the server rejects the settings with an SQLSTATE
//	link c1 s2   links another pair; a script begins with c1 and s1
//
// Before a link and at the end, the client and the server must have got nothing else.
var scripts = map[string]string{
	"simple query": `
		c Q(select 1)
		> Q(select 1)
		busy
		s T D D C(SELECT 2) Z(I)
		< T D D C(SELECT 2) Z(I)
		idle`,
	"transaction": `
		c Q(begin)
		s C(BEGIN) Z(T)
		busy
		c Q(commit)
		s C(COMMIT) Z(I)
		idle
		> Q(begin) Q(commit)
		< C(BEGIN) Z(T) C(COMMIT) Z(I)`,
	"error in a simple query skips nothing": `
		c Q(select bad) Q(select 1)
		> Q(select bad) Q(select 1)
		s E(42601) Z(I)
		busy
		s C(SELECT 1) Z(I)
		< E(42601) Z(I) C(SELECT 1) Z(I)
		idle`,
	"empty query": `
		c Q() P(,) B() E S
		> Q() P(,) B() E S
		s I Z(I) 1 2 I Z(I)
		< I Z(I) 1 2 I Z(I)
		idle`,
	"named statement on another server": `
		c P(s1,select 1) D(s1) S
		> P(lb_1,select 1) D(lb_1) S
		s 1 t T Z(I)
		< 1 t T Z(I)
		idle
		link c1 s2
		c B(s1) E S
		> P(lb_1,select 1) D(lb_1) H
		stalled
		s 1 t T
		c
		> B(lb_1) E S
		s 2 D C(SELECT 1) Z(I)
		< 2 D C(SELECT 1) Z(I)
		idle
		c D(s1) B(s1) E S
		> D(lb_1) B(lb_1) E S
		s t T 2 C(SELECT 1) Z(I)
		< t T 2 C(SELECT 1) Z(I)`,
	"known statement": `
		c P(s1,select 1) S
		s 1 Z(I)
		> P(lb_1,select 1) S
		< 1 Z(I)
		link c2 s1
		c B() P(x,select 1) B(x) E S
		> C() B() B(lb_1) E S
		< 
		s 3 2 
		< 2 1
		s 2 C(SELECT 1) Z(I)
		< 2 C(SELECT 1) Z(I)
		idle`,
	"faked at once": `
		c P(s1,select 1) S
		s 1 Z(I)
		> P(lb_1,select 1) S
		< 1 Z(I)
		link c2 s1
		c P(x,select 1)
		< 1
		busy
		c C(x) S
		< 3
		> S
		s Z(I)
		< Z(I)
		idle`,
	"injected Parse fails": `
		c P(s1,select 1) S
		s 1 Z(I)
		> P(lb_1,select 1) S
		< 1 Z(I)
		link c1 s2
		c B(s1) E S
		> P(lb_1,select 1) B(lb_1) E S
		s E(42P01) Z(I)
		< E(42P01) Z(I)
		idle
		c B(s1) E S
		> P(lb_2,select 1) B(lb_2) E S
		s 1 2 C(SELECT 1) Z(I)
		< 2 C(SELECT 1) Z(I)`,
	"renamed Parse fails": `
		c P(s1,select bad) B(s1) S
		> P(lb_1,select bad) B(lb_1) S
		s E(42601) Z(I)
		< E(42601) Z(I)
		idle
		c B(s1) S
		> B(s1) S
		s E(26000) Z(I)
		< E(26000) Z(I)
		c P(s1,select bad) S
		> P(lb_2,select bad) S
		s 1 Z(I)
		< 1 Z(I)`,
	"unknown names": `
		c B(s1) E S D(lb_1) S B(lb_1) S C(s1) C(lb_1) S
		> B(s1) E S D(lb_lb_1) S B(lb_lb_1) S C(s1) S
		s E(26000) Z(I) E(26000) Z(I) E(26000) Z(I)
		< E(26000) Z(I) E(26000) Z(I) E(26000) Z(I)
		s 3 Z(I)
		< 3 3 Z(I)
		idle`,
	"duplicate name": `
		c P(s1,select 1) P(s1,select 2) B(s1) E S
		> P(lb_1,select 1) C(lb_0) P(lb_0,) P(lb_0,select 2) B(lb_1) E S
		s 1 3 1 E(42P05) Z(I)
		< 1 E(42P05) Z(I)
		idle
		c B(s1) S
		> B(lb_1) S
		s 2 Z(I)
		< 2 Z(I)`,
	"a change of the schema": `
		c P(s1,select * from t) S
		> P(lb_1,select * from t) S
		s 1 Z(I)
		< 1 Z(I)
		link c2 s1
		c P(s1,select * from t) S
		> S
		s Z(I)
		< 1 Z(I)
		c Q(alter table t add y int)
		s C(ALTER TABLE) Z(I)
		> Q(alter table t add y int)
		< C(ALTER TABLE) Z(I)
		internal
		> Q(inspect everything)
		s C(SELECT 0) Z(I)
		c B(s1) S C(s1) P(s1,select * from t) D(s1) S
		> Q(check)
		s T R(0) C(SELECT 1) Z(I)
		c
		> B(lb_1) S P(lb_2,select * from t) D(lb_2) S
		s E(0A000) Z(I) 1 t T Z(I)
		< E(0A000) Z(I) 3 1 t T Z(I)
		idle
		link c3 s1
		c P(s1,select * from t) B(s1) E S
		> Q(reset) P(lb_3,select * from t) B(lb_2) E S
		s C(RESET) Z(I) 1 2 D C(SELECT 1) Z(I)
		< 1 2 D C(SELECT 1) Z(I)
		idle`,
	"a change of the schema in a transaction": `
		c Q(begin) Q(alter table t add y int)
		s C(BEGIN) Z(T) C(ALTER TABLE) Z(T)
		c P(s1,select * from t) S
		s 1 Z(T)
		> Q(begin) Q(alter table t add y int) P(lb_1,select * from t) S
		< C(BEGIN) Z(T) C(ALTER TABLE) Z(T) 1 Z(T)
		c Q(commit)
		s C(COMMIT) Z(I)
		> Q(commit)
		< C(COMMIT) Z(I)
		internal
		> Q(inspect everything)
		s C(SELECT 0) Z(I)
		link c2 s1
		c P(s1,select * from t) S
		> Q(reset) Q(check)
		s C(RESET) Z(I) T R(0) C(SELECT 1) Z(I)
		c
		> C(lb_1) P(lb_2,select * from t) S
		s 3 1 Z(I)
		< 1 Z(I)`,
	"duplicate name of a statement that the server does not have": `
		c P(s1,select 1) S
		> P(lb_1,select 1) S
		s 1 Z(I)
		< 1 Z(I)
		link c1 s2
		c P(s1,select 2) S
		> C(lb_0) P(lb_0,) P(lb_0,select 2) S
		s 3 1 E(42P05) Z(I)
		< E(42P05) Z(I)
		idle`,
	"DEALLOCATE of a statement prepared by protocol": `
		c P(s1,select 1) S
		s 1 Z(I)
		c Q(deallocate s1)
		> P(lb_1,select 1) S C(lb_0) P(lb_0,) Q(DEALLOCATE "lb_0")
		s 3 1 C(DEALLOCATE) Z(I)
		< 1 Z(I) C(DEALLOCATE) Z(I)
		idle
		c B(s1) S
		s E(26000) Z(I)
		c Q(deallocate s1)
		> B(s1) S Q(deallocate s1)
		s E(26000) Z(I)
		< E(26000) Z(I) E(26000) Z(I)
		c P(s2,select 1) P(,deallocate s2) B() E S
		> P(,DEALLOCATE "lb_0") C(lb_0) P(lb_0,) B() E S
		s 1 3 1 2 C(DEALLOCATE) Z(I)
		< 1 1 2 C(DEALLOCATE) Z(I)
		idle
		c B(s2) S
		> B(s2) S
		s E(26000) Z(I)
		< E(26000) Z(I)`,
	"the application's name is lost to a cancel request": `
		startup application_name=app
		c Q(select 1)
		> Q(SELECT set_config('application_name','app',false);) Q(select 1)
		s E(57014) Z(I) T D C(SELECT 1) Z(I)
		< T D C(SELECT 1) Z(I)
		idle
		link c1 s1
		c Q(select 2)
		> Q(SELECT set_config('application_name','app',false);) Q(select 2)
		s C(SELECT 1) Z(I) C(SELECT 1) Z(I)
		< C(SELECT 1) Z(I)`,
	"known statement in a failed transaction": `
		c P(s1,select 1) P(s2,rollback) S Q(begin; select bad)
		s 1 1 Z(I) E(42601) Z(E)
		> P(lb_1,select 1) P(lb_2,rollback) S Q(begin; select bad)
		< 1 1 Z(I) E(42601) Z(E)
		c P(s3,select 1) S
		> P(lb_3,select 1) S
		s E(25P02) Z(E)
		< E(25P02) Z(E)
		c P(s3,rollback) B(s3) E S
		> P(lb_4,rollback) B(lb_2) E S
		s 1 2 C(ROLLBACK) Z(I)
		< 1 2 C(ROLLBACK) Z(I)
		idle
		c P(s4,select x) S
		> C(lb_4) P(lb_5,select x) S
		s 3 1 Z(I)
		< 1 Z(I)
		idle`,
	"closed statement stays on the server": `
		c P(s1,select 1) S
		s 1 Z(I)
		c C(s1) S
		> P(lb_1,select 1) S S
		< 1 Z(I) 3
		s Z(I)
		< Z(I)
		c P(s1,select 1) B(s1) S
		> B(lb_1) S
		s 2 Z(I)
		< 1 2 Z(I)`,
	"skipped Close and Parse are undone": `
		c P(s1,select 1) P(s2,select 2) S
		s 1 1 Z(I)
		> P(lb_1,select 1) P(lb_2,select 2) S
		< 1 1 Z(I)
		c B(x) C(s1) P(s1,select 2) P(s3,select 3) S
		> B(x) P(lb_3,select 3) S
		s E(26000) Z(I)
		< E(26000) Z(I)
		c B(s1) B(s3) S
		> B(lb_1) B(s3) S
		s 2 E(26000) Z(I)
		< 2 E(26000) Z(I)
		idle`,
	"unnamed statement on another server": `
		c P(,select 1) S
		s 1 Z(I)
		> P(,select 1) S
		< 1 Z(I)
		link c1 s2
		c B() E S
		> P(,select 1) B() E S
		s 1 2 C(SELECT 1) Z(I)
		< 2 C(SELECT 1) Z(I)
		link c2 s2
		c D() S
		> C() D() S
		s 3 E(26000) Z(I)
		< E(26000) Z(I)
		link c1 s2
		c B() Q(select x) B() S
		> P(,select 1) B() Q(select x)
		stalled
		s 1 2 C(X) Z(I)
		c 
		> B() S
		< 2 C(X) Z(I)
		s E(26000) Z(I)
		< E(26000) Z(I)`,
	"a text that depends on the time is prepared for each client": `
		c P(s1,select 'now') S
		s 1 Z(I)
		> P(lb_1,select 'now') S
		< 1 Z(I)
		link c2 s1
		c P(x,select 'now') B(x) E S
		s 1 2 C(SELECT 1) Z(I)
		> P(lb_2,select 'now') B(lb_2) E S
		< 1 2 C(SELECT 1) Z(I)
		link c1 s1
		c B(s1) E S
		s 2 C(SELECT 1) Z(I)
		> B(lb_1) E S
		< 2 C(SELECT 1) Z(I)
		idle`,
	"another's unnamed statement is never bound": `
		c P(,select secret) S
		s 1 Z(I)
		> P(,select secret) S
		< 1 Z(I)
		link c2 s1
		c B(x) P(,select 2) S B() S
		> B(x) P(,select 2) S
		stalled
		s E(26000) Z(I)
		< E(26000) Z(I)
		c 
		> C() B() S
		s 3 E(26000) Z(I)
		< E(26000) Z(I)
		idle`,
	"an old unnamed statement is not the client's": `
		c P(,select a) S
		s 1 Z(I)
		> P(,select a) S
		< 1 Z(I)
		link c1 s2
		c Q(begin)
		s C(BEGIN) Z(I)
		> Q(begin)
		< C(BEGIN) Z(I)
		link c1 s1
		c B() S
		> C() B() S
		s 3 E(26000) Z(I)
		< E(26000) Z(I)`,
	"a skipped Parse before one that is not": `
		c P(,select a) S
		s 1 Z(I)
		> P(,select a) S
		< 1 Z(I)
		link c2 s1
		c B(x) P(,select b) S B(x) P(,select c) S P(,select d) S
		> B(x) P(,select b) S B(x) P(,select c) S P(,select d) S
		s E(26000) Z(I) E(26000) Z(I) 1 Z(I)
		< E(26000) Z(I) E(26000) Z(I) 1 Z(I)
		c B() S
		> B() S
		s 2 Z(I)
		< 2 Z(I)
		link c2 s2
		c B() S
		> P(,select d) B() S
		s 1 2 Z(I)
		< 2 Z(I)
		link c2 s1
		c B(x) P(,select e) S B(x) P(,select f) S
		> B(x) P(,select e) S B(x) P(,select f) S
		s E(26000) Z(I) E(26000) Z(I)
		< E(26000) Z(I) E(26000) Z(I)
		c B() S
		> B() S
		s 2 Z(I)
		< 2 Z(I)`,
	"names wait for an unanswered Sync": `
		c P(s1,select 1) S B(s1) S
		> P(lb_1,select 1) S
		stalled
		busy
		s E(42601) Z(I)
		< E(42601) Z(I)
		busy
		c Q(select 2)
		> B(s1) S Q(select 2)
		s E(26000) Z(I) C(SELECT 1) Z(I)
		< E(26000) Z(I) C(SELECT 1) Z(I)
		idle`,
	"several Syncs in flight": `
		c P(,select a) B() E S P(,select b) B() E S S
		> P(,select a) B() E S P(,select b) B() E S S
		s 1 2 E(22012) Z(I)
		busy
		s 1 2 C(SELECT 1) Z(I)
		busy
		s Z(I)
		idle
		< 1 2 E(22012) Z(I) 1 2 C(SELECT 1) Z(I) Z(I)`,
	"an error skips a Query before the Sync": `
		c P(,select bad) Q(select 1) L S Q(select 2)
		> P(,select bad) Q(select 1) F S Q(select 2)
		s E(42601) Z(I) C(SELECT 1) Z(I)
		< E(42601) Z(I) C(SELECT 1) Z(I)
		idle`,
	"an error before the Sync is sent": `
		c P(,select bad) H
		> P(,select bad) H
		s E(42601)
		< E(42601)
		busy
		c B() E P(s1,select 1) Q(select 1) d(x) c H
		> 
		c S
		> S
		s Z(I)
		< Z(I)
		idle`,
	"an error at Sync": `
		c P(,select insert) B() E S
		> P(,select insert) B() E S
		s 1 2 C(INSERT 0 1) E(23503) Z(I)
		< 1 2 C(INSERT 0 1) E(23503) Z(I)
		idle`,
	"Flush without Sync": `
		c P(s1,select 1) B(s1) H
		> P(lb_1,select 1) B(lb_1) H
		s 1 2
		< 1 2
		busy
		c E(1) H
		s D s
		< D s
		busy
		c E S
		s C(SELECT 1) Z(I)
		< C(SELECT 1) Z(I)
		> E H E S
		idle`,
	"function call": `
		c F
		> F
		busy
		s V Z(I)
		< V Z(I)
		internal
		> Q(inspect settings)
		s C(SELECT 0) Z(I)
		pinned FUNCTION CALL
		c L L
		> Q(check)
		s T R(0) C(SELECT 1) Z(I)
		c
		> F F
		s E(42883) Z(I)
		busy
		s V Z(I)
		< E(42883) Z(I) V Z(I)
		pinned FUNCTION CALL`,
	"copy in by simple protocol": `
		c Q(copy t from stdin) S H
		> Q(copy t from stdin) S H
		s G
		< G
		busy
		c d(1) d(2) c
		> d(1) d(2) c
		s C(COPY 2) Z(I)
		< C(COPY 2) Z(I)
		idle`,
	"two copies in one query": `
		c Q(copy t from stdin; copy t from stdin)
		> Q(copy t from stdin; copy t from stdin)
		s G
		c d(1) c
		> d(1) c
		s C(COPY 1) G
		< G C(COPY 1) G
		c d(2) f(no)
		> d(2) f(no)
		s E(57014) Z(I)
		< E(57014) Z(I)
		idle`,
	"copy in by extended protocol": `
		c P(s1,copy t from stdin) B(s1) E S
		> P(lb_1,copy t from stdin) B(lb_1) E S
		s 1 2 G
		< 1 2 G
		c d(1) c B(s1) S
		> d(1) c B(lb_1) S
		s C(COPY 1)
		busy
		s 2 Z(I)
		< C(COPY 1) 2 Z(I)
		idle`,
	"copy in without waiting": `
		c P(,copy t from stdin) B() E d(1) c S
		> P(,copy t from stdin) B() E d(1) c S
		s 1 2 G C(COPY 1) Z(I)
		< 1 2 G C(COPY 1) Z(I)
		idle
		c P(,copy t from stdin) B() E d(1) c S
		> P(,copy t from stdin) B() E d(1) c S
		s 1 E(42P01) Z(I)
		< 1 E(42P01) Z(I)
		idle`,
	"late copy data": `
		c Q(copy t from stdin)
		s G
		c d(1) d(x)
		s E(22P02) Z(I)
		< G E(22P02) Z(I)
		idle
		> Q(copy t from stdin) d(1) d(x)
		c d(2) c
		>
		<
		idle`,
	"late copy data by extended protocol": `
		c P(,copy t from stdin) B() E H
		s 1 2 G
		c d(x)
		s E(22P02)
		c d(2) c S
		s Z(I)
		> P(,copy t from stdin) B() E H d(x) S
		< 1 2 G E(22P02) Z(I)
		idle`,
	"Sync within a copy": `
		c Q(copy t from stdin)
		s G
		c d(1) S c
		s C(COPY 1) Z(I)
		busy
		pinned SYNC DURING COPY
		> Q(copy t from stdin) d(1) S c
		< G C(COPY 1) Z(I)`,
	"copy out": `
		c Q(copy t to stdout) P(,copy t to stdout) B() E S
		> Q(copy t to stdout) P(,copy t to stdout) B() E S
		s H d(1) d(2) c C(COPY 2) Z(I) 1 2 H d(1) c C(COPY 1) Z(I)
		< H d(1) d(2) c C(COPY 2) Z(I) 1 2 H d(1) c C(COPY 1) Z(I)
		idle`,
	"copy both": `
		c Q(START_REPLICATION)
		s W d(1)
		c d(2)
		> Q(START_REPLICATION) d(2)
		s d(3) c
		c c
		> c
		s c C(COPY 0) Z(I)
		< W d(1) d(3) c c C(COPY 0) Z(I)
		busy
		pinned REPLICATION`,
	"DEALLOCATE ALL": `
		c P(s1,select 1) S
		s 1 Z(I)
		c Q(deallocate all) B(s1) S
		> P(lb_1,select 1) S Q(deallocate all)
		stalled
		s C(DEALLOCATE ALL) Z(I)
		c 
		> B(s1) S
		s E(26000) Z(I)
		< 1 Z(I) C(DEALLOCATE ALL) Z(I) E(26000) Z(I)
		idle
		c P(s1,select 1) S
		> P(lb_2,select 1) S
		s 1 Z(I)
		< 1 Z(I)`,
	"DISCARD ALL unpins": `
		c Q(select setseed(0); select lastval())
		> Q(select setseed(0); select lastval())
		s C(SELECT 1) C(SELECT 1) Z(I)
		pinned SETSEED
		c Q(discard all)
		s C(DISCARD ALL) Z(I)
		pinned SETSEED
		> Q(discard all)
		< C(SELECT 1) C(SELECT 1) Z(I) C(DISCARD ALL) Z(I)`,
	"DISCARD ALL unpins what it can": `
		c Q(select set_config($1, 'x', false)) Q(discard all)
		s C(SELECT 1) Z(I) C(DISCARD ALL) Z(I)
		busy
		internal
		> Q(select set_config($1, 'x', false)) Q(discard all) Q(inspect everything)
		s C(SELECT 0) Z(I)
		idle
		< C(SELECT 1) Z(I) C(DISCARD ALL) Z(I)`,
	"asynchronous messages": `
		s N S(a=x) A
		< N S(a=x) A
		idle
		c P(s1,select 1) S
		s N 1 S(a=x) Z(I)
		> P(lb_1,select 1) S
		< N 1 S(a=x) Z(I)
		link c1 s2
		c B(s1) S
		> P(lb_1,select 1) B(lb_1) S
		s N 1 A 2 Z(I) N
		< N A 2 Z(I) N
		idle`,
	"fatal": `
		c Q(begin)
		s C(BEGIN) Z(T) E(FATAL 25P03)
		> Q(begin)
		< C(BEGIN) Z(T) E(FATAL 25P03)
		forwarded
		busy`,
	"terminate": `
		c Q(select 1) X Q(never)
		> Q(select 1)
		terminated
		s C(SELECT 1) Z(I)
		< C(SELECT 1) Z(I)
		idle`,
	"changed result type": `
		c P(s1,select * from t) B(s1) S
		s 1 2 Z(I)
		> P(lb_1,select * from t) B(lb_1) S
		< 1 2 Z(I)
		c B(s1) S
		> B(lb_1) S
		s E(0A000) Z(I)
		< E(0A000) Z(I)
		c C(s1) P(s1,select * from t) B(s1) S
		> C(lb_1) P(lb_2,select * from t) B(lb_2) S
		< 3
		s 3 1 2 Z(I)
		< 1 2 Z(I)
		idle`,
	"eviction": `
		c P(s1,select a) S
		s 1 Z(I)
		c P(s2,select b) S
		s 1 Z(I)
		c P(s3,select c) S
		s 1 Z(I)
		> P(lb_1,select a) S P(lb_2,select b) S P(lb_3,select c) S
		< 1 Z(I) 1 Z(I) 1 Z(I)
		c B(s1) S
		s 2 Z(I)
		c P(s4,select d) B(s4) S
		> B(lb_1) S C(lb_2) P(lb_4,select d) B(lb_4) S
		s 3 1 2 Z(I)
		< 2 Z(I) 1 2 Z(I)
		c B(s1) B(s3) B(s4) B(s2) S
		> B(lb_1) B(lb_3) B(lb_4) P(lb_5,select b) B(lb_5) S
		s 2 2 2 1 2 Z(I)
		< 2 2 2 2 Z(I)
		c B(x) B(s1) P(s6,select e) B(s6) S
		> B(x) B(lb_1) C(lb_3) C(lb_4) P(lb_6,select e) B(lb_6) S
		s E(26000) Z(I)
		< E(26000) Z(I)
		c B(s3) B(s4) S
		> B(lb_3) B(lb_4) S
		s 2 2 Z(I)
		< 2 2 Z(I)
		idle`,
}

// pinning has texts with the reason for which they pin the client at once, if any.
var pinning = map[string]string{
	"load 'x'": "LOAD", "select setseed(0)": "SETSEED", "select set_config($1,'b',false)": "SET_CONFIG",
	"set session authorization x": "SESSION AUTHORIZATION",
	"set local x = 1":             "", "select 1": "", "notify x": "", "close x": "", "unlisten x": "", "select pg_advisory_unlock(1)": "",
	"reset all": "", "discard temp": "",
}

// inspected has texts after which the server is asked for the state of the session.
var inspected = map[string]string{
	"set x = 1": "settings", "select set_config('a','b',false)": "settings", "create temp table t ()": "TEMP",
	"listen x": "LISTEN", "prepare p as select 1": "PREPARE",
	"declare c cursor with hold for select 1": "WITH HOLD", "select pg_advisory_lock(1)": "ADVISORY LOCK",
	"do 'x'":                             "everything",
	"set a.b to x":                       "settings, a.b",
	"select set_config('C.d','b',false)": "settings, c.d",
}

func init() {
	for text, what := range inspected {
		// The response to the inspection pins the client.
		end := fmt.Sprintf("busy\ninternal\n> Q(inspect %s)\nc Q(select 1)\nstalled\ns T R(TEMP) C(SELECT 1) Z(I)\npinned TEMP\nc\n> Q(select 1)\ns C(SELECT 1) Z(I)\n< C(SELECT 1) Z(I)\npinned TEMP", what)
		scripts["inspect after query "+text] = fmt.Sprintf("c Q(%s)\ns C(X) Z(I)\n> Q(%[1]s)\n< C(X) Z(I)\n%s", text, end)
		scripts["inspect after unnamed "+text] = fmt.Sprintf(
			"c P(,%s) B() E S\ns 1 2 C(X) Z(I)\n> P(,%[1]s) B() E S\n< 1 2 C(X) Z(I)\n%s", text, end)
		scripts["inspect after named "+text] = fmt.Sprintf(
			"c P(a,%s) S\ns 1 Z(I)\nidle\nc B(a) E S\ns 2 C(X) Z(I)\n> P(lb_1,%[1]s) S B(lb_1) E S\n< 1 Z(I) 2 C(X) Z(I)\n%s", text, end)
	}
	for text, reason := range pinning {
		state := "pinned " + reason
		if reason == "" {
			state = "internal\nidle"
		}
		scripts["pin by query "+text] = fmt.Sprintf("c Q(%s)\ns C(X) Z(I)\n> Q(%[1]s)\n< C(X) Z(I)\n%s", text, state)
		scripts["pin by unnamed "+text] = fmt.Sprintf(
			"c P(,%s) B() E S\ns 1 2 C(X) Z(I)\n> P(,%[1]s) B() E S\n< 1 2 C(X) Z(I)\n%s", text, state)
		scripts["pin by named "+text] = fmt.Sprintf(
			"c P(a,%s) S\ns 1 Z(I)\nidle\nc B(a) E S\ns 2 C(X) Z(I)\n> P(lb_1,%[1]s) S B(lb_1) E S\n< 1 Z(I) 2 C(X) Z(I)\n%s", text, state)
	}
}

// player runs a script.
type player struct {
	t          *testing.T
	random     *rand.Rand // splits the streams if not nil
	relay      Relay
	statements Statements
	clients    map[string]*Client
	servers    map[string]*Server

	rest, toServer, toClient []byte
}

func play(t *testing.T, script string, random *rand.Rand) {
	p := &player{t: t, random: random, clients: map[string]*Client{}, servers: map[string]*Server{}}
	p.statements.Catalog.Scanned(0, "0", defined)
	p.link("c1", "s1")
	for line := range strings.Lines(script) {
		if line = strings.TrimSpace(line); line != "" {
			p.line(line)
		}
	}
	p.line("<")
	p.line(">")
	for _, c := range p.clients {
		c.Close()
	}
	for _, s := range p.servers {
		s.Close()
	}
	if n := p.statements.Len(); n != 0 {
		t.Errorf("%d statements are left", n)
	}
}

func (p *player) link(client, server string) {
	if p.clients[client] == nil {
		p.clients[client] = NewClient(&p.statements)
	}
	if p.servers[server] == nil {
		p.servers[server] = newServer(&p.statements, 3)
	}
	p.relay.Link(p.clients[client], p.servers[server])
}

// newServer returns a server with names of statements that do not vary.
func newServer(table *Statements, limit int) *Server {
	s := NewServer(table, limit)
	s.prefix = "lb_"
	return s
}

func (p *player) line(line string) {
	p.t.Helper()
	command, rest, _ := strings.Cut(line, " ")
	check := func(what string, got, want any) {
		p.t.Helper()
		if got != want {
			p.t.Errorf("%s: %s %v, want %v", line, what, got, want)
		}
	}
	switch command {
	case "c":
		p.client(fromClient(rest))
	case "s":
		p.server(fromServer(rest))
	case ">":
		check("server got", written(pgwire.FromClient, p.toServer), rest)
		p.toServer = nil
	case "<":
		check("client got", written(pgwire.FromServer, p.toClient), rest)
		p.toClient = nil
	case "idle", "busy":
		check("idle", p.relay.Idle(), command == "idle")
	case "stalled":
		check("stalled", p.relay.Stalled(), true)
	case "terminated":
		check("terminated", p.relay.Terminated(), true)
		p.rest = nil
	case "pinned":
		check("pinned", p.relay.client.Pinned(), rest)
		check("idle", p.relay.Idle(), false)
	case "forwarded", "unforwarded":
		check("fatal", p.relay.Fatal(), true)
		check("forwarded", p.relay.FatalForwarded(), command == "forwarded")
	case "internal":
		p.toServer = p.relay.AppendInternalQuery(p.toServer)
	case "disconnect", "lost":
		var ok bool
		p.toServer, ok = p.relay.DisconnectClient(p.toServer)
		check("saved", ok, command == "disconnect")
		p.relay.client.Close()
		p.rest = nil
	case "startup", "settings":
		settings := Settings{}
		if rest != "" {
			var options []sqlscan.Option
			for _, word := range words(rest) {
				name, value, _ := strings.Cut(word, "=")
				options = append(options, sqlscan.Option{Name: name, Value: value})
			}
			settings, _ = NewSettings(options)
		}
		if command == "settings" {
			check("settings", fmt.Sprint(p.relay.client.settings.values()), fmt.Sprint(settings.values()))
			return
		}
		p.relay.client.SetSettings(settings)
		p.relay.Link(p.relay.client, p.relay.server)
	case "unscanned":
		p.statements.Catalog.Trust(true) // forgets what is known
		p.statements.Catalog.Trust(false)
		p.relay.Link(p.relay.client, p.relay.server)
	case "changing":
		if !p.statements.Catalog.Changing() {
			p.t.Error("the catalog is not changing")
		}
	case "outdated":
		p.statements.Catalog.Outdate()
	case "rejected":
		if e := p.relay.SettingsError(); e == nil || e.Code != rest {
			p.t.Errorf("%s: %v", line, e)
		}
	case "link":
		p.line("<")
		p.line(">")
		if !p.relay.Idle() {
			p.t.Errorf("%s while busy", line)
		}
		client, server, _ := strings.Cut(rest, " ")
		p.link(client, server)
	default:
		p.t.Fatalf("unknown command %q", line)
	}
}

// chunks calls feed with the pieces of stream.
func (p *player) chunks(stream []byte, feed func([]byte)) {
	for p.random != nil && len(stream) > 0 {
		n := 1 + p.random.IntN(min(len(stream), 12))
		piece := append([]byte(nil), stream[:n]...)
		feed(piece)
		for i := range piece {
			piece[i] = 0xff // the relay must not keep it
		}
		stream = stream[n:]
	}
	if p.random == nil {
		feed(stream)
	}
}

func (p *player) client(stream []byte) {
	p.give(nil)
	p.chunks(stream, p.give)
}

// give sends a piece after the rest of the ones before.
func (p *player) give(piece []byte) {
	rest, toServer, toClient, err := p.relay.FromClient(append(p.rest, piece...), p.toServer, p.toClient)
	if err != nil {
		p.t.Fatal(err)
	}
	p.toServer, p.toClient = toServer, toClient
	p.rest = append([]byte(nil), rest...)
}

func (p *player) server(stream []byte) {
	p.chunks(stream, func(piece []byte) {
		toClient, err := p.relay.FromServer(piece, p.toClient)
		if err != nil {
			p.t.Fatal(err)
		}
		p.toClient = toClient
	})
}

func TestRelayFollowsTheScripts(t *testing.T) {
	for name, script := range scripts {
		t.Run(name, func(t *testing.T) { play(t, script, nil) })
	}
}

func TestRelayFollowsTheScriptsInPieces(t *testing.T) {
	for name, script := range scripts {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(50) {
				play(t, script, rand.New(rand.NewPCG(seed, 1)))
			}
		})
	}
}
