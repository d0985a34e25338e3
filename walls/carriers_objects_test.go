package walls_test

import "fmt"

// relationCarriers are parts of tables and views.
var relationCarriers = []carrier{
	{name: "view", takes: expression, wrap: func(b *builder, a action) action {
		v := b.name("v")
		b.define("CREATE VIEW " + v + " AS SELECT " + a.asText() + " AS a")
		return expr("(SELECT a FROM " + v + ")")
	}},
	{name: "materialized view", takes: expression, wrap: func(b *builder, a action) action {
		v := b.name("v")
		b.define("CREATE MATERIALIZED VIEW " + v + " AS SELECT " + a.asText() + " AS a WITH NO DATA")
		return do("REFRESH MATERIALIZED VIEW " + v)
	}},
	{name: "rule", takes: expression, wrap: func(b *builder, a action) action {
		t := b.name("t")
		b.define("CREATE TABLE " + t + " (a int)")
		b.define("CREATE RULE r AS ON INSERT TO " + t + " DO INSTEAD SELECT " + a.asText())
		return do("INSERT INTO " + t + " VALUES (1)")
	}},
	{name: "default", takes: expression, wrap: func(b *builder, a action) action {
		t := b.name("t")
		b.define("CREATE TABLE " + t + " (a int, b text DEFAULT " + a.asText() + ")")
		return do("INSERT INTO " + t + " (a) VALUES (1)")
	}},
	{name: "default of a partition", takes: expression, wrap: func(b *builder, a action) action {
		t, p := b.name("t"), b.name("t")
		b.define("CREATE TABLE " + t + " (a int) PARTITION BY RANGE (a)")
		b.define("CREATE TABLE " + p + " (a int CHECK (" + a.asTruth() + "))")
		b.define("ALTER TABLE " + t + " ATTACH PARTITION " + p + " DEFAULT")
		return do("INSERT INTO " + t + " VALUES (1)")
	}},
	{name: "check", takes: expression, wrap: func(b *builder, a action) action {
		t := b.name("t")
		b.define("CREATE TABLE " + t + " (a int CHECK (" + a.asTruth() + "))")
		return do("INSERT INTO " + t + " VALUES (1)")
	}},
	{name: "generated column", takes: expression, wrap: func(b *builder, a action) action {
		t, f := b.name("t"), b.immutable(a)
		b.define("CREATE TABLE " + t + " (a int, b text GENERATED ALWAYS AS (" + f + "(a)) STORED)")
		return do("INSERT INTO " + t + " VALUES (1)")
	}},
	{name: "index", takes: expression, wrap: func(b *builder, a action) action {
		t, f := b.name("t"), b.immutable(a)
		b.define("CREATE TABLE " + t + " (a int)")
		b.define("CREATE INDEX ON " + t + " ((" + f + "(a)))")
		return do("INSERT INTO " + t + " VALUES (1)")
	}},
	{name: "predicate of an index", takes: expression, wrap: func(b *builder, a action) action {
		t, f := b.name("t"), b.immutable(a)
		b.define("CREATE TABLE " + t + " (a int)")
		b.define("CREATE UNIQUE INDEX ON " + t + " (a) WHERE " + f + "(a) <> ''")
		return do("INSERT INTO " + t + " VALUES (1)")
	}},
	{name: "trigger", takes: expression | statements | block, wrap: func(b *builder, a action) action {
		t := b.trigger(a, "BEFORE INSERT ON %s FOR EACH ROW")
		return do("INSERT INTO " + t + " VALUES (1)")
	}},
	{name: "trigger of a statement", takes: expression | statements | block, wrap: func(b *builder, a action) action {
		t := b.trigger(a, "AFTER UPDATE ON %s FOR EACH STATEMENT")
		return do("UPDATE " + t + " SET a = 2")
	}},
	{name: "trigger of TRUNCATE", takes: expression | statements | block, wrap: func(b *builder, a action) action {
		t := b.trigger(a, "AFTER TRUNCATE ON %s")
		return do("TRUNCATE " + t)
	}},
	{name: "condition of a trigger", takes: expression, wrap: func(b *builder, a action) action {
		t := b.trigger(inBlock("NULL;"), "BEFORE INSERT ON %s FOR EACH ROW WHEN ("+a.asTruth()+")")
		return do("INSERT INTO " + t + " VALUES (1)")
	}},
	{name: "trigger at COMMIT", takes: expression | statements | block, wrap: func(b *builder, a action) action {
		f, t := b.name("f"), b.name("t")
		b.define(fmt.Sprintf("CREATE FUNCTION %s() RETURNS trigger LANGUAGE plpgsql AS %s", f, b.quote("BEGIN "+a.asBlock()+" RETURN NEW; END")))
		b.define("CREATE TABLE " + t + " (a int)")
		b.define("CREATE CONSTRAINT TRIGGER g AFTER INSERT ON " + t + " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION " + f + "()")
		return do("INSERT INTO " + t + " VALUES (1)")
	}},
	{name: "trigger of a table that refers", takes: expression | statements | block, wrap: func(b *builder, a action) action {
		t, parent := b.trigger(a, "AFTER DELETE ON %s FOR EACH ROW"), b.name("t")
		b.define("CREATE TABLE " + parent + " (a int PRIMARY KEY)")
		b.define("INSERT INTO " + parent + " VALUES (1)")
		b.define("INSERT INTO " + t + " VALUES (1)")
		b.define("ALTER TABLE " + t + " ADD FOREIGN KEY (a) REFERENCES " + parent + " ON DELETE CASCADE")
		return do("DELETE FROM " + parent)
	}},
	{name: "trigger of a view", takes: expression | statements | block, wrap: func(b *builder, a action) action {
		f, v := b.name("f"), b.name("v")
		b.define(fmt.Sprintf("CREATE FUNCTION %s() RETURNS trigger LANGUAGE plpgsql AS %s", f, b.quote("BEGIN "+a.asBlock()+" RETURN NEW; END")))
		b.define("CREATE VIEW " + v + " AS SELECT 1 AS a")
		b.define("CREATE TRIGGER g INSTEAD OF INSERT ON " + v + " FOR EACH ROW EXECUTE FUNCTION " + f + "()")
		return do("INSERT INTO " + v + " VALUES (1)")
	}},
	{name: "event trigger", takes: expression | statements | block, pervasive: true, super: true, wrap: func(b *builder, a action) action {
		f, e := b.name("f"), b.bare("e")
		b.define(fmt.Sprintf("CREATE FUNCTION %s() RETURNS event_trigger LANGUAGE plpgsql AS %s", f, b.quote("BEGIN "+a.asBlock()+" END")))
		b.define("CREATE EVENT TRIGGER " + e + " ON ddl_command_start WHEN TAG IN ('COMMENT') EXECUTE FUNCTION " + f + "()")
		return do("COMMENT ON SCHEMA " + b.fill("{s}") + " IS 'c'")
	}},
	{name: "policy", takes: expression, wrap: func(b *builder, a action) action {
		t := b.name("t")
		b.define("CREATE TABLE " + t + " AS SELECT 1 AS a")
		b.define("CREATE POLICY p ON " + t + " USING (" + a.asTruth() + ")")
		b.define("ALTER TABLE " + t + " ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
		return expr("(SELECT a FROM " + t + ")")
	}},
	{name: "policy of INSERT", takes: expression, wrap: func(b *builder, a action) action {
		t := b.name("t")
		b.define("CREATE TABLE " + t + " (a int)")
		b.define("CREATE POLICY p ON " + t + " FOR INSERT WITH CHECK (" + a.asTruth() + ")")
		b.define("ALTER TABLE " + t + " ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")
		return do("INSERT INTO " + t + " VALUES (1)")
	}},
}

// immutable defines a function of an int that evaluates a, and that the server
// believes to be immutable.
func (b *builder) immutable(a action) string {
	f := b.name("f")
	b.define(fmt.Sprintf("CREATE FUNCTION %s(int) RETURNS text IMMUTABLE LANGUAGE plpgsql AS %s", f, b.quote("BEGIN "+a.asBlock()+" RETURN 'done'; END")))
	return f
}

// trigger defines a trigger that does a, on a new table.
func (b *builder) trigger(a action, when string) (table string) {
	f, t := b.name("f"), b.name("t")
	b.define(fmt.Sprintf("CREATE FUNCTION %s() RETURNS trigger LANGUAGE plpgsql AS %s", f, b.quote("BEGIN "+a.asBlock()+" RETURN NEW; END")))
	b.define("CREATE TABLE " + t + " (a int)")
	b.define("CREATE TRIGGER g " + fmt.Sprintf(when, t) + " EXECUTE FUNCTION " + f + "()")
	return t
}

// typeCarriers are operators, casts and types.
var typeCarriers = []carrier{
	{name: "operator", takes: expression | statements | block, pervasive: true, wrap: func(b *builder, a action) action {
		f := b.name("f")
		b.define(fmt.Sprintf("CREATE FUNCTION %s(int, int) RETURNS text LANGUAGE plpgsql AS %s", f, b.quote("BEGIN "+a.asBlock()+" RETURN 'done'; END")))
		b.define(b.fill("CREATE OPERATOR {s}.@@@ (leftarg = int, rightarg = int, function = ") + f + ")")
		return expr(b.fill("(1 OPERATOR({s}.@@@) 2)"))
	}},
	{name: "operator of a public schema", takes: expression | statements | block, pervasive: true, wrap: func(b *builder, a action) action {
		f, t := b.name("f"), b.name("y")
		b.define("CREATE TYPE " + t + " AS (a int)")
		b.define(fmt.Sprintf("CREATE FUNCTION %s(%s, %s) RETURNS boolean LANGUAGE plpgsql AS %s", f, t, t, b.quote("BEGIN "+a.asBlock()+" RETURN TRUE; END")))
		b.define(fmt.Sprintf("CREATE OPERATOR public.+ (leftarg = %s, rightarg = %s, function = %s)", t, t, f))
		return expr("(CAST(ROW(1) AS " + t + ") + CAST(ROW(2) AS " + t + "))")
	}},
	{name: "cast", takes: expression | statements | block, pervasive: true, wrap: func(b *builder, a action) action {
		t := b.cast(a, "")
		return expr("CAST(CAST(ROW(1) AS " + t + ") AS int)")
	}},
	{name: "implicit cast", takes: expression | statements | block, pervasive: true, wrap: func(b *builder, a action) action {
		t := b.cast(a, " AS IMPLICIT")
		return expr("pg_catalog.abs(CAST(ROW(1) AS " + t + "))")
	}},
	{name: "assignment cast", takes: expression | statements | block, pervasive: true, wrap: func(b *builder, a action) action {
		t, to := b.cast(a, " AS ASSIGNMENT"), b.name("t")
		b.define("CREATE TABLE " + to + " (a int)")
		return do("INSERT INTO " + to + " SELECT CAST(ROW(1) AS " + t + ")")
	}},
	{name: "domain", takes: expression, wrap: func(b *builder, a action) action {
		d := b.name("d")
		b.define("CREATE DOMAIN " + d + " AS int CHECK (" + a.asTruth() + ")")
		return expr("CAST(1 AS " + d + ")")
	}},
	{name: "domain of a column", takes: expression, wrap: func(b *builder, a action) action {
		d, t := b.name("d"), b.name("t")
		b.define("CREATE DOMAIN " + d + " AS text DEFAULT " + a.asText())
		b.define("CREATE TABLE " + t + " (a int, b " + d + ")")
		return do("INSERT INTO " + t + " (a) VALUES (1)")
	}},
	{name: "support of an operator class", takes: expression | statements | block, pervasive: true, super: true, wrap: func(b *builder, a action) action {
		f, t := b.name("f"), b.name("t")
		b.define(fmt.Sprintf("CREATE FUNCTION %s(int, int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS %s", f, b.quote("BEGIN "+a.asBlock()+" RETURN pg_catalog.btint4cmp($1, $2); END")))
		b.define(b.fill("CREATE OPERATOR CLASS {s}.c FOR TYPE int USING btree AS OPERATOR 1 pg_catalog.<, OPERATOR 3 pg_catalog.=, FUNCTION 1 ") + f + "(int, int)")
		b.define("CREATE TABLE " + t + " (a int)")
		b.define(b.fill("CREATE INDEX ON " + t + " (a {s}.c)"))
		return do("INSERT INTO " + t + " VALUES (1), (2)")
	}},
}

// cast defines a type with a cast to int that does a.
func (b *builder) cast(a action, as string) (of string) {
	f, t := b.name("f"), b.name("y")
	b.define("CREATE TYPE " + t + " AS (a int)")
	b.define(fmt.Sprintf("CREATE FUNCTION %s(%s) RETURNS int LANGUAGE plpgsql AS %s", f, t, b.quote("BEGIN "+a.asBlock()+" RETURN 1; END")))
	b.define(fmt.Sprintf("CREATE CAST (%s AS int) WITH FUNCTION %s%s", t, f, as))
	return t
}
