package walls_test

import (
	"fmt"
	"slices"
	"strings"
)

// carrier brings an action about by another one.
type carrier struct {
	name  string
	takes form // the forms of action that it can carry, others are converted
	super bool
	hides bool // puts a text together at run time
	// pervasive: its objects matter to texts that do not name them.
	pervasive bool
	undoes    bool // what a subtransaction can undo
	planned   bool // runs as a plan is made
	// wrap returns the action that has the same effect as a. Objects that it needs
	// are defined by b.
	wrap func(b *builder, a action) action
}

// carriers are all of them. A new carrier is one entry here.
var carriers = slices.Concat(routineCarriers, dynamicCarriers, relationCarriers, typeCarriers, positionCarriers)

// stockable and pervasive are the carriers whose objects can be among those of other
// compositions, and the rest.
var stockable, pervasive = func() (some, others []*carrier) {
	for i := range carriers {
		if carriers[i].pervasive {
			others = append(others, &carriers[i])
		} else {
			some = append(some, &carriers[i])
		}
	}
	return some, others
}()

// routineCarriers are functions and blocks.
var routineCarriers = []carrier{
	{name: "function in PL/pgSQL", takes: expression | statements | block, wrap: func(b *builder, a action) action {
		return b.function("", "plpgsql", "BEGIN "+a.asBlock()+" RETURN 'done'; END")
	}},
	{name: "function in SQL", takes: expression | statements, wrap: func(b *builder, a action) action {
		return b.function("", "sql", strings.Join(append(a.asStatements(b), "SELECT 'done'::text"), "; "))
	}},
	{name: "function with a standard body", takes: expression, wrap: func(b *builder, a action) action {
		f := b.name("f")
		b.define(fmt.Sprintf("CREATE FUNCTION %s() RETURNS text LANGUAGE sql BEGIN ATOMIC SELECT %s; END", f, a.asText()))
		return expr(f + "()")
	}},
	{name: "security definer", takes: expression | statements | block, wrap: func(b *builder, a action) action {
		return b.function("SECURITY DEFINER", "plpgsql", "BEGIN "+a.asBlock()+" RETURN 'done'; END")
	}},
	{name: "function said to be immutable", planned: true, takes: expression | statements | block, wrap: func(b *builder, a action) action {
		return b.function("IMMUTABLE PARALLEL SAFE", "plpgsql", "BEGIN "+a.asBlock()+" RETURN 'done'; END")
	}},
	{name: "function with a SET clause", takes: expression | statements | block, wrap: func(b *builder, a action) action {
		return b.function("SET work_mem = '4MB' SET geqo_seed = 0.5", "plpgsql", "BEGIN "+a.asBlock()+" RETURN 'done'; END")
	}},
	{name: "procedure", takes: expression | statements | block, wrap: func(b *builder, a action) action {
		p := b.name("p")
		b.define(fmt.Sprintf("CREATE PROCEDURE %s() LANGUAGE plpgsql AS %s", p, b.quote("BEGIN "+a.asBlock()+" END")))
		return do("CALL " + p + "()")
	}},
	{name: "procedure with COMMIT", takes: expression | statements | block, wrap: func(b *builder, a action) action {
		p := b.name("p")
		b.define(fmt.Sprintf("CREATE PROCEDURE %s() LANGUAGE plpgsql AS %s", p, b.quote("BEGIN "+a.asBlock()+" COMMIT; PERFORM 1; ROLLBACK; END")))
		return do("CALL " + p + "()")
	}},
	{name: "DO", takes: expression | statements | block, wrap: func(b *builder, a action) action {
		return do("DO " + b.quote("BEGIN "+a.asBlock()+" END"))
	}},
	{name: "exception block", takes: expression | statements | block, wrap: func(b *builder, a action) action {
		return inBlock("BEGIN " + a.asBlock() + " EXCEPTION WHEN division_by_zero THEN NULL; END;")
	}},
	{name: "failed block", takes: expression | statements | block, undoes: true, wrap: func(b *builder, a action) action {
		return inBlock("BEGIN " + a.asBlock() + " PERFORM 1/0; EXCEPTION WHEN division_by_zero THEN NULL; END;")
	}},
	{name: "condition in PL/pgSQL", takes: expression, wrap: func(b *builder, a action) action {
		return inBlock("IF " + a.asTruth() + " THEN NULL; END IF;")
	}},
	{name: "default of a variable", takes: expression, wrap: func(b *builder, a action) action {
		return inBlock("DECLARE v text := " + a.asText() + "; BEGIN NULL; END;")
	}},
	{name: "default of an argument", takes: expression, wrap: func(b *builder, a action) action {
		f := b.name("f")
		b.define(fmt.Sprintf("CREATE FUNCTION %s(text DEFAULT %s) RETURNS text LANGUAGE sql AS 'SELECT $1'", f, a.asText()))
		return expr(f + "()")
	}},
	{name: "function with a long name", takes: expression | statements | block, wrap: func(b *builder, a action) action {
		f := b.name("f" + strings.Repeat("long", 16))
		b.define(fmt.Sprintf("CREATE FUNCTION %s() RETURNS text LANGUAGE plpgsql AS %s", f, b.quote("BEGIN "+a.asBlock()+" RETURN 'done'; END")))
		return expr(f + "_and_longer()")
	}},
	{name: "function with a quoted name", takes: expression | statements | block, wrap: func(b *builder, a action) action {
		f := b.fill("{s}.") + `"` + b.bare("F ") + `.Ünser"`
		b.define(fmt.Sprintf("CREATE FUNCTION %s() RETURNS text LANGUAGE plpgsql AS %s", f, b.quote("BEGIN "+a.asBlock()+" RETURN 'done'; END")))
		return expr(f + "()")
	}},
	{name: "function called by escapes", takes: expression | statements | block, wrap: func(b *builder, a action) action {
		f := b.bare("f")
		b.define(fmt.Sprintf("CREATE FUNCTION %s.%s() RETURNS text LANGUAGE plpgsql AS %s", b.fill("{s}"), f, b.quote("BEGIN "+a.asBlock()+" RETURN 'done'; END")))
		return expr(fmt.Sprintf(`%s.U&"\%04x%s"()`, b.fill("{s}"), f[0], f[1:]))
	}},
	{name: "FunctionCall message", takes: expression | statements | block, wrap: func(b *builder, a action) action {
		f := b.function("", "plpgsql", "BEGIN "+a.asBlock()+" RETURN 'done'; END")
		return calls(f.texts[0])
	}},
	{name: "comment that LATIN1 lacks", takes: expression | statements | block, wrap: func(b *builder, a action) action {
		return b.function("", "plpgsql", "/* Łódź */ BEGIN "+a.asBlock()+" RETURN 'done'; END")
	}},
	{name: "aggregate", takes: expression | statements | block, wrap: func(b *builder, a action) action {
		f, g := b.name("f"), b.name("a")
		b.define(fmt.Sprintf("CREATE FUNCTION %s(text, int) RETURNS text LANGUAGE plpgsql AS %s", f, b.quote("BEGIN "+a.asBlock()+" RETURN 'done'; END")))
		b.define(fmt.Sprintf("CREATE AGGREGATE %s(int) (sfunc = %s, stype = text)", g, f))
		return expr("(SELECT " + g + "(a) FROM (VALUES (1)) AS v (a))")
	}},
	{name: "final function of an aggregate", takes: expression | statements | block, wrap: func(b *builder, a action) action {
		f, g := b.name("f"), b.name("a")
		b.define(fmt.Sprintf("CREATE FUNCTION %s(int) RETURNS text LANGUAGE plpgsql AS %s", f, b.quote("BEGIN "+a.asBlock()+" RETURN 'done'; END")))
		b.define(fmt.Sprintf("CREATE AGGREGATE %s(int) (sfunc = pg_catalog.int4pl, stype = int, finalfunc = %s)", g, f))
		return expr("(SELECT " + g + "(a) OVER () FROM (VALUES (1)) AS v (a))")
	}},
}

// function defines a function without arguments and returns its call.
func (b *builder) function(options, language, body string) action {
	f := b.name("f")
	b.define(fmt.Sprintf("CREATE FUNCTION %s() RETURNS text LANGUAGE %s %s AS %s", f, language, options, b.quote(body)))
	return expr(f + "()")
}

// dynamicCarriers are texts that are made while they run.
var dynamicCarriers = []carrier{
	{name: "EXECUTE of a literal", takes: statements, wrap: func(b *builder, a action) action {
		return b.executeEach(a, literal)
	}},
	{name: "EXECUTE of format", hides: true, takes: statements, wrap: func(b *builder, a action) action {
		return b.executeEach(a, func(text string) string {
			verb, rest, _ := strings.Cut(text, " ")
			return "pg_catalog.format('%s %s', " + literal(verb) + ", " + literal(rest) + ")"
		})
	}},
	{name: "EXECUTE of a concatenation", hides: true, takes: statements, wrap: func(b *builder, a action) action {
		return b.executeEach(a, func(text string) string {
			return literal(text[:2]) + " || " + literal(text[2:len(text)/2]) + " || " + literal(text[len(text)/2:])
		})
	}},
	{name: "EXECUTE of a text that is decoded", hides: true, takes: statements, wrap: func(b *builder, a action) action {
		return b.executeEach(a, func(text string) string {
			return fmt.Sprintf("pg_catalog.convert_from(pg_catalog.decode('%x', 'hex'), 'UTF8')", text)
		})
	}},
	{name: "EXECUTE of a row", hides: true, takes: statements, wrap: func(b *builder, a action) action {
		t := b.name("t")
		b.define("CREATE TABLE " + t + " (i int, text text)")
		var all strings.Builder
		for i, text := range a.texts {
			b.define(fmt.Sprintf("INSERT INTO %s VALUES (%d, %s)", t, i, literal(text)))
			fmt.Fprintf(&all, "EXECUTE (SELECT text FROM %s WHERE i = %d); ", t, i)
		}
		return inBlock(all.String())
	}},
	{name: "query_to_xml", takes: expression, wrap: func(b *builder, a action) action {
		return expr("pg_catalog.query_to_xml(" + literal("SELECT "+a.texts[0]+" AS c") + ", false, false, '')::text")
	}},
	{name: "query_to_xml of a function's argument", hides: true, takes: expression, wrap: func(b *builder, a action) action {
		f := b.name("f")
		b.define("CREATE FUNCTION " + f + "(text) RETURNS text LANGUAGE sql AS 'SELECT pg_catalog.query_to_xml($1, true, true, ''x'')::text'")
		return expr(f + "('SEL' || " + literal("ECT "+a.texts[0]+" AS c") + ")")
	}},
	{name: "ts_stat", takes: expression, wrap: func(b *builder, a action) action {
		return expr("(SELECT pg_catalog.count(*) FROM pg_catalog.ts_stat(" + literal("SELECT pg_catalog.to_tsvector("+a.asText()+")") + "))")
	}},
	{name: "ts_rewrite", takes: expression, wrap: func(b *builder, a action) action {
		q := "pg_catalog.plainto_tsquery('a')"
		return expr("pg_catalog.ts_rewrite(" + q + ", " + literal("SELECT "+q+", "+q+" WHERE "+a.asTruth()) + ")")
	}},
	{name: "crosstab", takes: expression, wrap: func(b *builder, a action) action {
		return expr("(SELECT pg_catalog.count(*) FROM public.crosstab(" + literal("SELECT 1, 1, "+a.asText()) + ") AS t (a int, b text))")
	}},
	{name: "table_to_xml", takes: expression, wrap: func(b *builder, a action) action {
		v := b.name("v")
		b.define("CREATE VIEW " + v + " AS SELECT " + a.asText() + " AS a")
		return expr("pg_catalog.table_to_xml(" + literal(v) + ", false, false, '')::text")
	}},
}

// executeEach executes each statement of a as a text that of makes.
func (b *builder) executeEach(a action, of func(string) string) action {
	var all strings.Builder
	for _, text := range a.asStatements(b) {
		all.WriteString("EXECUTE " + of(text) + "; ")
	}
	return inBlock(all.String())
}

// positionCarriers are places in a statement.
var positionCarriers = []carrier{
	{name: "CTE", takes: expression, wrap: func(b *builder, a action) action {
		return expr("(WITH w AS MATERIALIZED (SELECT " + a.asText() + " AS a) SELECT a FROM w)")
	}},
	{name: "ORDER BY", takes: expression, wrap: func(b *builder, a action) action {
		return do("SELECT v FROM (VALUES (1), (2)) AS t (v) ORDER BY " + a.asText() + ", v")
	}},
	{name: "LIMIT", takes: expression, wrap: func(b *builder, a action) action {
		return do("SELECT 1 LIMIT CASE WHEN " + a.asTruth() + " THEN 1 END")
	}},
	{name: "RETURNING", takes: expression, wrap: func(b *builder, a action) action {
		t := b.name("t")
		b.define("CREATE TABLE " + t + " (a int)")
		return do("INSERT INTO " + t + " VALUES (1) RETURNING " + a.asText())
	}},
	{name: "EXPLAIN ANALYZE", takes: expression, wrap: func(b *builder, a action) action {
		return do("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT " + a.asText())
	}},
	{name: "CREATE TABLE AS", takes: expression, wrap: func(b *builder, a action) action {
		return do("CREATE TABLE " + b.name("t") + " AS SELECT " + a.asText() + " AS a")
	}},
	{name: "COPY", takes: expression, wrap: func(b *builder, a action) action {
		return do("COPY (SELECT " + a.asText() + ") TO STDOUT")
	}},
	{name: "CURSOR", takes: expression, wrap: func(b *builder, a action) action {
		c := b.bare("c")
		return inBlock("DECLARE " + c + " CURSOR FOR SELECT " + a.asText() + "; BEGIN OPEN " + c + "; MOVE ALL FROM " + c + "; END;")
	}},
	{name: "EXECUTE of a prepared statement", takes: expression, wrap: func(b *builder, a action) action {
		p := b.bare("p")
		return do("PREPARE "+p+" AS SELECT "+a.asText(), "EXECUTE "+p, "DEALLOCATE "+p)
	}},
	{name: "MERGE", takes: expression, wrap: func(b *builder, a action) action {
		t := b.name("t")
		b.define("CREATE TABLE " + t + " (a text)")
		return do("MERGE INTO " + t + " USING (VALUES (1)) AS v (x) ON FALSE WHEN NOT MATCHED THEN INSERT VALUES (" + a.asText() + ")")
	}},
	{name: "ALTER TABLE", takes: expression, wrap: func(b *builder, a action) action {
		t := b.name("t")
		b.define("CREATE TABLE " + t + " AS SELECT 1 AS a")
		return do("ALTER TABLE " + t + " ALTER COLUMN a TYPE text USING " + a.asText())
	}},
	{name: "bound of a partition", takes: expression, wrap: func(b *builder, a action) action {
		t := b.name("t")
		b.define("CREATE TABLE " + t + " (a text) PARTITION BY LIST (a)")
		return do("CREATE TABLE " + b.name("t") + " PARTITION OF " + t + " FOR VALUES IN (" + a.asText() + ")")
	}},
	{name: "literal with escapes", hides: true, takes: statements, wrap: func(b *builder, a action) action {
		var all strings.Builder
		for _, text := range a.texts {
			fmt.Fprintf(&all, "EXECUTE E'\\x%02x%s'; ", text[0], strings.ReplaceAll(literal(text[1:])[1:len(literal(text[1:]))-1], `\`, `\\`))
		}
		return inBlock(all.String())
	}},
}
