//go:build unix

package txpool

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/lakebase-go/lakebase/internal/testkit/testpostgres"
)

// changes are changes of the schema. Some fail.
var changes = []string{
	"alter table d add c int default 7", "alter table d drop c", "alter table d rename b to bb", "alter table d rename bb to b",
	"alter table d alter a type bigint", "alter table d alter a type int", "alter table d alter b type varchar(9)", "alter table d alter b type text",
	"drop table d; create table d (a text); insert into d values (5)", "drop table d; create table d (a int, b text); insert into d values (1, 2)",
	"create index on d (a)", "drop view v; create view v as select a as x from d", "create or replace view v as select 1 as x",
}

// described are texts whose result the schema decides.
var described = []string{
	"select * from d", "table d", "select a from d", "select a, 1 as y from d", "update d set a = a returning *", "select * from v", "insert into d select * from d where false",
	"select 1 from d", "values (1)", "delete from d where false",
}

// schemaConversation returns a random conversation in which a client describes statements
// and others change the schema. Each statement that depends on the schema is described:
// see the package comment. In a failed transaction none is described without rows, which
// works on a server that has it. n makes its texts its own.
func schemaConversation(random *rand.Rand, n int) string {
	pick := func(of ...string) string { return of[random.IntN(len(of))] }
	lines := []string{"X(drop table if exists d cascade; create table d (a int, b text); insert into d values (1, 2); create view v as select a from d)"}
	outside := 0
	define := func(name string) string {
		text := fmt.Sprintf("P(%s,%s /* %d %d */) ", name, pick(described...), n, outside)
		if name == "" || random.IntN(2) == 0 {
			return text + "D(" + name + ")"
		}
		return text + "B(" + name + ") DP"
	}
	step := func(again string) string {
		var segments []string
		for range 1 + random.IntN(2) {
			var words []string
			if random.IntN(5) == 0 {
				words = append(words, define(""))
			}
			for range 1 + random.IntN(3) {
				name := pick("s1", "s1", "s2", "")
				words = append(words, pick("B("+name+") E", "B("+name+") E", "B("+name+") DP E", again+"("+name+")", "B("+name+") E H"))
			}
			if random.IntN(4) == 0 {
				name := pick("s1", "s2", "s3")
				words = append(words, "C("+name+")", define(name))
			}
			segments = append(segments, strings.Join(append(words, "S"), " "))
		}
		return strings.Join(segments, " | ")
	}
	lines = append(lines, define("s1")+" S | "+define("s2")+" S | "+define("")+" S")
	for range 2 + random.IntN(8) {
		switch random.IntN(6) {
		case 0, 1:
			lines = append(lines, "X("+pick(changes...)+")")
			outside++
		case 2:
			lines = append(lines, "Q("+pick(changes...)+")")
		case 3:
			lines = append(lines, "Q(begin)")
			for range 1 + random.IntN(3) {
				lines = append(lines, pick("Q("+pick(changes...)+")", step("B"), step("B"), "Q(savepoint a)", "Q(rollback to a)"))
			}
			lines = append(lines, pick("Q(rollback)", "Q(commit)"))
		}
		lines = append(lines, step("D"))
	}
	return strings.Join(lines, "\n")
}

// A statement that a client has described has that result until it is prepared anew,
// whoever changes the schema, as if the client were alone with its server connection.
func TestDescribedStatementsAgreeWithPostgres(t *testing.T) {
	pool := newPool(t, testpostgres.Start(t))
	random := rand.New(rand.NewPCG(*seed, 4))
	for n, compared, began := 0, 0, time.Now(); compared < *sequences; n++ {
		before := compared
		if compared += pool.compare(t, schemaConversation(random, n), random); compared/10_000 > before/10_000 {
			t.Logf("%d sequences in %v", compared, time.Since(began).Round(time.Second))
		}
	}
}

func TestLongBindOfAChangedStatementIsRejectedWhole(t *testing.T) {
	pool := newPool(t, testpostgres.Start(t))
	random := rand.New(rand.NewPCG(*seed, 5))
	client := NewClient(&pool.table)
	pool.outside(t, "create table d (a int)")
	pool.ask(t, client, fromClient("P(s1,select 'length '||length($1::text), d.* from d) D(s1) S"), 1, random)
	pool.outside(t, "alter table d add b int")
	for range 10 { // on several servers
		got := comparable(pool.ask(t, client, append(longBind(1<<20), fromClient("E S Q(select 1)")...), 2, random))
		if !strings.Contains(got, "0A000") || !strings.Contains(got, "SELECT 1") {
			t.Errorf("got %q", got)
		}
	}
}
