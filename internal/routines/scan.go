package routines

import "github.com/lakebase-go/lakebase/internal/sqlscan"

// scanSQL selects the definitions in a database that can affect a session: functions
// with their source; and with the name of a function or relation that they use,
// views and rules, tables with triggers, policies, defaults or check constraints,
// and tables that have such tables as partitions or reference them. The fingerprint
// of the catalogs comes first. If it is equal to the known one, which is appended to
// the text, nothing follows: then the query takes milliseconds even with thousands
// of functions.
const scanSQL = `
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

// scanQuery returns the query for a catalog whose fingerprint is known, "" if none.
func scanQuery(known string) string {
	return string(sqlscan.AppendLiteral([]byte(scanSQL), known))
}
