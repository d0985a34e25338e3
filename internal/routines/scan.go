package routines

import "strings"

// scanSQL selects what a database defines: see the kinds of [Definition]. The
// fingerprint of the catalogs comes first.
//
// PostgreSQL records no dependencies on its own functions. So the stored expressions are
// searched for the OIDs of those that are not plain; the text of an expression is
// returned only if it has one.
//
// All names and operators are qualified, because the search_path is the client's.
const scanSQL = `
WITH own AS (
	SELECT p.oid, p.proname::pg_catalog.text AS name, l.lanname, p.prosrc, p.prosqlbody, p.proargdefaults
	FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid OPERATOR(pg_catalog.=) p.prolang
	WHERE p.oid OPERATOR(pg_catalog.>=) 16384
), suspect AS (
	SELECT ':(funcid|opfuncid|aggfnoid|winfnoid) (' OPERATOR(pg_catalog.||) pg_catalog.string_agg(p.oid::pg_catalog.text, '|')
		OPERATOR(pg_catalog.||) ') |:relid ' OPERATOR(pg_catalog.||) 'pg_catalog.pg_settings'::pg_catalog.regclass::pg_catalog.oid::pg_catalog.text
		OPERATOR(pg_catalog.||) ' ' AS pattern
	FROM pg_catalog.pg_proc p
	WHERE p.pronamespace OPERATOR(pg_catalog.=) 'pg_catalog'::pg_catalog.regnamespace AND (p.provolatile OPERATOR(pg_catalog.=) 'v'
		AND p.proname OPERATOR(pg_catalog.<>) ALL (ARRAY[{volatile}]::pg_catalog.name[]) OR p.proname OPERATOR(pg_catalog.~) 'to_xml|^ts_rewrite$')
), part AS (
	SELECT 'pg_catalog.pg_rewrite'::pg_catalog.regclass AS class, oid, ev_class AS relation, ev_action::pg_catalog.text AS code
	FROM pg_catalog.pg_rewrite WHERE oid OPERATOR(pg_catalog.>=) 16384
	UNION ALL SELECT 'pg_catalog.pg_trigger'::pg_catalog.regclass, oid, tgrelid, tgqual::pg_catalog.text FROM pg_catalog.pg_trigger
	UNION ALL SELECT 'pg_catalog.pg_policy'::pg_catalog.regclass, oid, polrelid,
		pg_catalog.concat(polqual::pg_catalog.text, polwithcheck::pg_catalog.text) FROM pg_catalog.pg_policy
	UNION ALL SELECT 'pg_catalog.pg_attrdef'::pg_catalog.regclass, oid, adrelid, adbin::pg_catalog.text FROM pg_catalog.pg_attrdef
	UNION ALL SELECT 'pg_catalog.pg_constraint'::pg_catalog.regclass, oid, conrelid, conbin::pg_catalog.text
	FROM pg_catalog.pg_constraint WHERE conrelid OPERATOR(pg_catalog.<>) 0 AND oid OPERATOR(pg_catalog.>=) 16384
	UNION ALL SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, indexrelid, indrelid,
		pg_catalog.concat(indexprs::pg_catalog.text, indpred::pg_catalog.text)
	FROM pg_catalog.pg_index WHERE (indexprs IS NOT NULL OR indpred IS NOT NULL) AND indexrelid OPERATOR(pg_catalog.>=) 16384
	UNION ALL SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, partrelid, partrelid, partexprs::pg_catalog.text
	FROM pg_catalog.pg_partitioned_table WHERE partexprs IS NOT NULL
), domain AS (
	SELECT oid, typname FROM pg_catalog.pg_type t WHERE typtype OPERATOR(pg_catalog.=) 'd' AND oid OPERATOR(pg_catalog.>=) 16384
), container AS (
	SELECT oid, typname, typname AS used FROM domain
	UNION SELECT d.objid, t.typname, r.typname
	FROM pg_catalog.pg_depend d
		JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) d.objid
		JOIN pg_catalog.pg_type r ON r.oid OPERATOR(pg_catalog.=) d.refobjid
	WHERE d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_type'::pg_catalog.regclass
		AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_type'::pg_catalog.regclass AND EXISTS (SELECT FROM domain)
), definition AS (
	SELECT 'function' AS kind, name, pg_catalog."left"(CASE WHEN prosqlbody IS NULL THEN prosrc
		ELSE pg_catalog.pg_get_function_sqlbody(oid) END, 1048576) AS text
	FROM own WHERE lanname OPERATOR(pg_catalog.=) ANY (ARRAY['sql', 'plpgsql']::pg_catalog.name[])
	UNION ALL SELECT CASE WHEN lanname OPERATOR(pg_catalog.=) ANY (ARRAY['internal', 'c']::pg_catalog.name[]) THEN 'library' ELSE 'opaque' END,
		name, pg_catalog.min(e.extname::pg_catalog.text)
	FROM own LEFT JOIN pg_catalog.pg_depend d ON d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass
			AND d.objid OPERATOR(pg_catalog.=) own.oid AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_extension'::pg_catalog.regclass
		LEFT JOIN pg_catalog.pg_extension e ON e.oid OPERATOR(pg_catalog.=) d.refobjid
	WHERE lanname OPERATOR(pg_catalog.<>) ALL (ARRAY['sql', 'plpgsql']::pg_catalog.name[])
		AND NOT EXISTS (SELECT FROM pg_catalog.pg_aggregate a WHERE a.aggfnoid OPERATOR(pg_catalog.=) own.oid)
	GROUP BY own.oid, lanname, name
	UNION ALL SELECT 'function', name, ''
	FROM own JOIN pg_catalog.pg_aggregate a ON a.aggfnoid OPERATOR(pg_catalog.=) own.oid
	UNION ALL SELECT 'use', name, f.proname
	FROM own JOIN pg_catalog.pg_aggregate a ON a.aggfnoid OPERATOR(pg_catalog.=) own.oid
		JOIN pg_catalog.pg_proc f ON f.oid OPERATOR(pg_catalog.=) ANY (ARRAY[a.aggtransfn, a.aggfinalfn, a.aggcombinefn,
			a.aggserialfn, a.aggdeserialfn, a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn]::pg_catalog.oid[])
	UNION ALL SELECT 'code', name, pg_catalog.pg_get_expr(proargdefaults, 0)
	FROM own, suspect WHERE proargdefaults::pg_catalog.text OPERATOR(pg_catalog.~) pattern
	UNION ALL SELECT 'relation', relname, NULL FROM pg_catalog.pg_class
	WHERE relkind OPERATOR(pg_catalog.=) ANY (ARRAY['r', 'p', 'v', 'm', 'f', 'S']::"char"[]) AND relpersistence OPERATOR(pg_catalog.<>) 't'
	UNION ALL SELECT 'type', typname, NULL FROM container
	UNION ALL SELECT 'use', typname, used FROM container WHERE typname OPERATOR(pg_catalog.<>) used
	UNION ALL SELECT 'use', c.relname, t.typname
	FROM container t JOIN pg_catalog.pg_attribute a ON a.atttypid OPERATOR(pg_catalog.=) t.oid
		JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) a.attrelid
	UNION ALL SELECT 'use', d.typname, f.name
	FROM domain d JOIN pg_catalog.pg_constraint c ON c.contypid OPERATOR(pg_catalog.=) d.oid
		JOIN pg_catalog.pg_depend p ON p.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_constraint'::pg_catalog.regclass
			AND p.objid OPERATOR(pg_catalog.=) c.oid AND p.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass
		JOIN own f ON f.oid OPERATOR(pg_catalog.=) p.refobjid
	UNION ALL SELECT 'code', d.typname, pg_catalog.pg_get_expr(c.conbin, 0)
	FROM domain d JOIN pg_catalog.pg_constraint c ON c.contypid OPERATOR(pg_catalog.=) d.oid, suspect
	WHERE c.conbin::pg_catalog.text OPERATOR(pg_catalog.~) pattern
	UNION ALL SELECT DISTINCT 'use', c.relname, f.name
	FROM own f
		JOIN pg_catalog.pg_depend d ON d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass
			AND d.refobjid OPERATOR(pg_catalog.=) f.oid
		JOIN part ON part.class OPERATOR(pg_catalog.=) d.classid AND part.oid OPERATOR(pg_catalog.=) d.objid
		JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) part.relation
	UNION ALL SELECT 'code', c.relname, CASE part.class
		WHEN 'pg_catalog.pg_rewrite'::pg_catalog.regclass THEN pg_catalog.pg_get_ruledef(part.oid)
		WHEN 'pg_catalog.pg_trigger'::pg_catalog.regclass THEN pg_catalog.pg_get_triggerdef(part.oid)
		WHEN 'pg_catalog.pg_class'::pg_catalog.regclass THEN CASE WHEN part.oid OPERATOR(pg_catalog.=) part.relation
			THEN pg_catalog.pg_get_partkeydef(part.oid) ELSE pg_catalog.pg_get_indexdef(part.oid) END
		WHEN 'pg_catalog.pg_constraint'::pg_catalog.regclass THEN pg_catalog.pg_get_constraintdef(part.oid)
		WHEN 'pg_catalog.pg_attrdef'::pg_catalog.regclass THEN
			(SELECT pg_catalog.pg_get_expr(adbin, adrelid) FROM pg_catalog.pg_attrdef a WHERE a.oid OPERATOR(pg_catalog.=) part.oid)
		WHEN 'pg_catalog.pg_policy'::pg_catalog.regclass THEN
			(SELECT pg_catalog.concat_ws(', ', pg_catalog.pg_get_expr(polqual, polrelid), pg_catalog.pg_get_expr(polwithcheck, polrelid))
			FROM pg_catalog.pg_policy a WHERE a.oid OPERATOR(pg_catalog.=) part.oid) END
	FROM part JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) part.relation, suspect
	WHERE part.code OPERATOR(pg_catalog.~) suspect.pattern
	UNION ALL SELECT DISTINCT 'use', c.relname, r.relname
	FROM pg_catalog.pg_rewrite w
		JOIN pg_catalog.pg_depend d ON d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_rewrite'::pg_catalog.regclass
			AND d.objid OPERATOR(pg_catalog.=) w.oid AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_class'::pg_catalog.regclass
		JOIN pg_catalog.pg_class r ON r.oid OPERATOR(pg_catalog.=) d.refobjid AND r.oid OPERATOR(pg_catalog.<>) w.ev_class
		JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) w.ev_class
	WHERE w.oid OPERATOR(pg_catalog.>=) 16384
	UNION ALL SELECT 'use', c.relname, r.relname
	FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class r ON r.oid OPERATOR(pg_catalog.=) i.inhrelid
		JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) i.inhparent WHERE c.relkind OPERATOR(pg_catalog.<>) 'I'
	UNION ALL SELECT DISTINCT 'use', p.relname, r.relname
	FROM pg_catalog.pg_constraint c JOIN pg_catalog.pg_class r ON r.oid OPERATOR(pg_catalog.=) c.conrelid
		JOIN pg_catalog.pg_class p ON p.oid OPERATOR(pg_catalog.=) c.confrelid
	WHERE c.contype OPERATOR(pg_catalog.=) 'f' AND c.confrelid OPERATOR(pg_catalog.<>) c.conrelid
	UNION ALL SELECT DISTINCT 'everywhere', p.proname, NULL
	FROM pg_catalog.pg_proc p JOIN (
		SELECT oprcode::pg_catalog.oid FROM pg_catalog.pg_operator WHERE oid OPERATOR(pg_catalog.>=) 16384
		UNION SELECT castfunc FROM pg_catalog.pg_cast WHERE oid OPERATOR(pg_catalog.>=) 16384
		UNION SELECT amproc FROM pg_catalog.pg_amproc WHERE oid OPERATOR(pg_catalog.>=) 16384
		UNION SELECT rngcanonical FROM pg_catalog.pg_range UNION SELECT rngsubdiff FROM pg_catalog.pg_range
	) AS called (oid) ON called.oid OPERATOR(pg_catalog.=) p.oid
)
SELECT NULL, NULL, sum FROM ({fingerprint}) AS fingerprint
UNION ALL SELECT kind, name, text FROM definition`

// fingerprintSQL selects a text that changes if any definition does. It takes
// milliseconds even with thousands of functions.
const fingerprintSQL = `SELECT pg_catalog.string_agg(pg_catalog.concat(count, ' ', sum), ' ') AS sum FROM (
	{catalogs}
	UNION ALL SELECT pg_catalog.count(*), pg_catalog.sum(pg_catalog.hashtext(relname::pg_catalog.text)::pg_catalog.int8 OPERATOR(pg_catalog.#) oid::pg_catalog.int8)
	FROM pg_catalog.pg_class WHERE oid OPERATOR(pg_catalog.>=) 16384 AND relpersistence OPERATOR(pg_catalog.<>) 't'
) AS part (count, sum)`

// scanPrefix keeps the client's settings out of the scan, for its transaction. The
// answer may contain characters that the client's encoding does not have.
const scanPrefix = `SET LOCAL statement_timeout = 0; SET LOCAL jit = off; SET LOCAL search_path = pg_catalog; SET LOCAL client_encoding = 'UTF8';`

// fingerprinted are the catalogs whose rows make up the fingerprint, and the column that
// identifies a row.
var fingerprinted = [][2]string{{"pg_proc", "oid"}, {"pg_rewrite", "oid"}, {"pg_trigger", "oid"}, {"pg_policy", "oid"}, {"pg_attrdef", "oid"},
	{"pg_constraint", "oid"}, {"pg_operator", "oid"}, {"pg_cast", "oid"}, {"pg_amproc", "oid"}, {"pg_inherits", "inhrelid"},
	{"pg_index", "indexrelid"}, {"pg_aggregate", "aggfnoid"}}

// checkQuery selects the fingerprint alone, scanQuery everything.
var checkQuery, scanQuery = func() (check, scan string) {
	var catalogs []string
	for _, c := range fingerprinted {
		catalogs = append(catalogs, "SELECT pg_catalog.count(*), pg_catalog.sum(xmin::pg_catalog.text::pg_catalog.int8 OPERATOR(pg_catalog.#) "+
			c[1]+"::pg_catalog.oid::pg_catalog.int8) FROM pg_catalog."+c[0]+" WHERE "+c[1]+"::pg_catalog.oid OPERATOR(pg_catalog.>=) 16384")
	}
	fingerprint := strings.Replace(fingerprintSQL, "{catalogs}", strings.Join(catalogs, "\n\tUNION ALL "), 1)
	quoted := "'" + strings.Join(strings.Fields(volatileFunctions), "','") + "'"
	scan = strings.NewReplacer("{volatile}", quoted, "{fingerprint}", fingerprint).Replace(scanSQL)
	return scanPrefix + "SELECT NULL, NULL, sum FROM (" + fingerprint + ") AS fingerprint", scanPrefix + scan
}()
