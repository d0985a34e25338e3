package txpool

import "github.com/lakebase-go/lakebase/internal/pgwire"

// surveySQL lists the definitions of a database that can reach a session of its
// own accord: functions by their source; and by the names of the functions or
// relations that it uses, whatever else a text can name: views and rules,
// tables with triggers, policies, defaults and checks, those with partitions or
// foreign keys to tables that have some. Before them comes the fingerprint of
// the catalogs, and nothing else if that is the one that is asked with: that
// takes milliseconds where there are thousands of functions.
const surveySQL = `
WITH function AS (
	SELECT p.oid, p.proname, pg_catalog."left"(CASE WHEN p.prosqlbody IS NULL THEN p.prosrc
			ELSE pg_catalog.pg_get_function_sqlbody(p.oid) END, 1048576) AS source
	FROM pg_catalog.pg_proc p
		JOIN pg_catalog.pg_language l ON l.oid = p.prolang
		JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
	WHERE l.lanname NOT IN ('internal', 'c') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
		AND n.nspname NOT LIKE 'pg\_temp\_%'
), part AS (
	SELECT 'pg_catalog.pg_rewrite'::pg_catalog.regclass AS class, oid, ev_class AS relation FROM pg_catalog.pg_rewrite
	UNION ALL SELECT 'pg_catalog.pg_trigger'::pg_catalog.regclass, oid, tgrelid FROM pg_catalog.pg_trigger
	UNION ALL SELECT 'pg_catalog.pg_policy'::pg_catalog.regclass, oid, polrelid FROM pg_catalog.pg_policy
	UNION ALL SELECT 'pg_catalog.pg_attrdef'::pg_catalog.regclass, oid, adrelid FROM pg_catalog.pg_attrdef
	UNION ALL SELECT 'pg_catalog.pg_constraint'::pg_catalog.regclass, oid, conrelid FROM pg_catalog.pg_constraint
), uses AS (
	SELECT part.relation, f.proname AS name
	FROM function f
		JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.refobjid = f.oid
		JOIN part ON part.class = d.classid AND part.oid = d.objid
	UNION SELECT w.ev_class, r.relname
	FROM pg_catalog.pg_rewrite w
		JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass AND d.objid = w.oid
			AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
		JOIN pg_catalog.pg_class r ON r.oid = d.refobjid AND r.oid <> w.ev_class
	WHERE w.oid >= 16384
	UNION SELECT i.inhparent, r.relname
	FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class r ON r.oid = i.inhrelid
	UNION SELECT c.confrelid, r.relname
	FROM pg_catalog.pg_constraint c JOIN pg_catalog.pg_class r ON r.oid = c.conrelid
	WHERE c.contype = 'f' AND c.confrelid <> c.conrelid
), definition AS (
	SELECT proname::pg_catalog.text AS name, source AS text FROM function
	UNION ALL SELECT c.relname, uses.name FROM uses JOIN pg_catalog.pg_class c ON c.oid = uses.relation
	WHERE EXISTS (SELECT FROM function)
), fingerprint AS (
	SELECT pg_catalog.string_agg(count || ' ' || sum, ' ') AS sum FROM (
		SELECT pg_catalog.count(*), pg_catalog.sum(xmin::text::bigint # oid::bigint) FROM pg_catalog.pg_proc WHERE oid >= 16384
		UNION ALL SELECT pg_catalog.count(*), pg_catalog.sum(xmin::text::bigint # oid::bigint) FROM pg_catalog.pg_rewrite WHERE oid >= 16384
		UNION ALL SELECT pg_catalog.count(*), pg_catalog.sum(xmin::text::bigint # oid::bigint) FROM pg_catalog.pg_trigger
		UNION ALL SELECT pg_catalog.count(*), pg_catalog.sum(xmin::text::bigint # oid::bigint) FROM pg_catalog.pg_policy
		UNION ALL SELECT pg_catalog.count(*), pg_catalog.sum(xmin::text::bigint # oid::bigint) FROM pg_catalog.pg_attrdef
		UNION ALL SELECT pg_catalog.count(*), pg_catalog.sum(xmin::text::bigint # oid::bigint) FROM pg_catalog.pg_constraint WHERE oid >= 16384
		UNION ALL SELECT pg_catalog.count(*), pg_catalog.sum(xmin::text::bigint # oid::bigint) FROM pg_catalog.pg_class
			WHERE oid >= 16384 AND relkind IN ('r', 'p', 'v', 'm')
		UNION ALL SELECT pg_catalog.count(*), pg_catalog.sum(xmin::text::bigint # inhrelid::bigint) FROM pg_catalog.pg_inherits
	) AS part (count, sum)
)
SELECT NULL, sum FROM fingerprint
UNION ALL SELECT name, text FROM definition WHERE (SELECT sum FROM fingerprint) <> `

// survey asks what the database's words mean.
func (x *Relay) survey() {
	known := ""
	if v := x.client.table.vocabulary.Load(); v != nil {
		known = v.fingerprint
	}
	x.client.table.outdated.Store(false)
	x.surveyed = nil
	x.blocked = true
	x.ask(surveying, appendLiteral([]byte(surveySQL), known))
}

// surveyDone takes the answer.
func (x *Relay) surveyDone(failure *pgwire.Error) {
	t, rows := x.client.table, x.surveyed
	x.surveyed = nil
	if failure == nil && len(rows) > 0 {
		t.surveyed(rows)
		return
	}
	x.unsurveyed = true
	t.notSurveyed(failure)
}

// noteDefinition takes a row of a survey.
func (x *Relay) noteDefinition(row []byte) {
	if columns, ok := textColumns(row); ok {
		x.surveyed = append(x.surveyed, definition{string(columns[0]), string(columns[1])})
	}
}
