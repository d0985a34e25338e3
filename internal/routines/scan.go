package routines

import (
	"maps"
	"slices"
	"strings"
	"sync"
)

// scanSQL selects what a database defines: see the kinds of [Definition]. The
// fingerprint of the catalogs comes first.
//
// A part is what belongs to a relation or type and may run code; it uses what PostgreSQL
// records as its dependencies. That does not include PostgreSQL's own functions. So the
// stored expressions are searched for the OIDs of those that are not plain; the text of
// an expression is returned only if it has one, or uses a function of the database, which
// may execute the expression's literals. A base type is no part, because only
// functions in C read and write its values.
//
// All names and operators are qualified, because the search_path is the client's.
const scanSQL = `
WITH own AS (
	SELECT p.oid, p.proname::pg_catalog.text AS name, p.prokind, l.lanname, p.prosrc, p.prosqlbody, p.proargdefaults, e.extname,
		p.prosecdef, p.proowner, p.prorettype
	FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_language l ON l.oid OPERATOR(pg_catalog.=) p.prolang
		LEFT JOIN pg_catalog.pg_depend d ON d.classid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass
			AND d.objid OPERATOR(pg_catalog.=) p.oid AND d.deptype OPERATOR(pg_catalog.=) 'e'
		LEFT JOIN pg_catalog.pg_extension e ON e.oid OPERATOR(pg_catalog.=) d.refobjid
	WHERE p.oid OPERATOR(pg_catalog.>=) 16384
), super AS (
	{super}
), suspect AS (
	SELECT p.oid, p.proname, p.proargtypes FROM pg_catalog.pg_proc p
	WHERE p.pronamespace OPERATOR(pg_catalog.=) 'pg_catalog'::pg_catalog.regnamespace AND (p.provolatile OPERATOR(pg_catalog.=) 'v'
		AND p.proname OPERATOR(pg_catalog.<>) ALL (ARRAY[{volatile}]::pg_catalog.name[]) OR p.proname OPERATOR(pg_catalog.~~) '%to_xml%' OR p.proname OPERATOR(pg_catalog.=) 'ts_rewrite')
), suspects AS (
	SELECT ':(funcid|opfuncid|aggfnoid|winfnoid) (' OPERATOR(pg_catalog.||) pg_catalog.string_agg(oid::pg_catalog.text, '|')
		OPERATOR(pg_catalog.||) ') |:relid ' OPERATOR(pg_catalog.||) 'pg_catalog.pg_settings'::pg_catalog.regclass::pg_catalog.oid::pg_catalog.text
		OPERATOR(pg_catalog.||) ' ' AS pattern
	FROM suspect
), part AS (
	SELECT class, part.oid, relation, code, COALESCE(c.relname, t.typname) AS name
	FROM (
		SELECT 'pg_catalog.pg_rewrite'::pg_catalog.regclass, oid, ev_class, 0, ev_action::pg_catalog.text
		FROM pg_catalog.pg_rewrite WHERE oid OPERATOR(pg_catalog.>=) 16384
		UNION ALL SELECT 'pg_catalog.pg_trigger'::pg_catalog.regclass, oid, tgrelid, 0, tgqual::pg_catalog.text FROM pg_catalog.pg_trigger
		UNION ALL SELECT 'pg_catalog.pg_policy'::pg_catalog.regclass, oid, polrelid, 0,
			pg_catalog.concat(polqual::pg_catalog.text, polwithcheck::pg_catalog.text) FROM pg_catalog.pg_policy
		UNION ALL SELECT 'pg_catalog.pg_attrdef'::pg_catalog.regclass, oid, adrelid, 0, adbin::pg_catalog.text FROM pg_catalog.pg_attrdef
		UNION ALL SELECT 'pg_catalog.pg_constraint'::pg_catalog.regclass, oid, conrelid, contypid, conbin::pg_catalog.text
		FROM pg_catalog.pg_constraint WHERE conbin IS NOT NULL AND oid OPERATOR(pg_catalog.>=) 16384
		UNION ALL SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, indexrelid, indrelid, 0,
			pg_catalog.concat(indexprs::pg_catalog.text, indpred::pg_catalog.text)
		FROM pg_catalog.pg_index WHERE (indexprs IS NOT NULL OR indpred IS NOT NULL) AND indexrelid OPERATOR(pg_catalog.>=) 16384
		UNION ALL SELECT 'pg_catalog.pg_class'::pg_catalog.regclass, oid, oid, 0, partexprs::pg_catalog.text
		FROM pg_catalog.pg_class LEFT JOIN pg_catalog.pg_partitioned_table ON partrelid OPERATOR(pg_catalog.=) oid
		WHERE oid OPERATOR(pg_catalog.>=) 16384 AND relkind OPERATOR(pg_catalog.=) ANY (ARRAY['r', 'p', 'v', 'm', 'f', 'c']::"char"[])
		UNION ALL SELECT 'pg_catalog.pg_type'::pg_catalog.regclass, oid, 0, oid, typdefaultbin::pg_catalog.text
		FROM pg_catalog.pg_type WHERE oid OPERATOR(pg_catalog.>=) 16384
			AND (typtype OPERATOR(pg_catalog.<>) 'b' OR typcategory OPERATOR(pg_catalog.=) 'A')
	) AS part (class, oid, relation, type, code)
		LEFT JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) relation LEFT JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) type
), node AS (
	SELECT class::pg_catalog.oid, oid, name::pg_catalog.text FROM part
	UNION ALL SELECT 'pg_catalog.pg_proc'::pg_catalog.regclass, oid, name FROM own
), definition AS (
	SELECT 'dblink' AS kind, name, NULL AS text FROM own WHERE prosrc OPERATOR(pg_catalog.=) 'dblink_connect'
	UNION ALL SELECT 'language', lanname::pg_catalog.text, NULL FROM pg_catalog.pg_language
	WHERE lanname OPERATOR(pg_catalog.<>) ALL (ARRAY['internal', 'c', 'sql', 'plpgsql']::pg_catalog.name[])
	UNION ALL SELECT 'superuser', NULL, NULL WHERE EXISTS (SELECT FROM super WHERE {member})
	UNION ALL SELECT 'definer', name, NULL FROM own JOIN super ON super.oid OPERATOR(pg_catalog.=) proowner
	WHERE prosecdef AND lanname OPERATOR(pg_catalog.=) ANY (ARRAY['sql', 'plpgsql']::pg_catalog.name[])
		AND coalesce(extname, '') OPERATOR(pg_catalog.<>) 'databricks_auth' -- which only creates roles, in every Lakebase
		AND prorettype OPERATOR(pg_catalog.<>) ALL (ARRAY['pg_catalog.trigger', 'pg_catalog.event_trigger']::pg_catalog.regtype[]::pg_catalog.oid[])
	UNION ALL SELECT CASE WHEN pg_catalog.length(text) OPERATOR(pg_catalog.>) 1048576 THEN 'opaque' ELSE 'function' END AS kind, name,
		pg_catalog."left"(text, 1048576) AS text
	FROM (SELECT name, CASE WHEN prosqlbody IS NULL THEN prosrc ELSE pg_catalog.pg_get_function_sqlbody(oid) END AS text
		FROM own WHERE lanname OPERATOR(pg_catalog.=) ANY (ARRAY['sql', 'plpgsql']::pg_catalog.name[])) AS source
	UNION ALL SELECT CASE WHEN prokind OPERATOR(pg_catalog.=) 'a' THEN 'function'
		WHEN lanname OPERATOR(pg_catalog.=) ANY (ARRAY['internal', 'c']::pg_catalog.name[]) THEN 'library' ELSE 'opaque' END, name,
		CASE WHEN prokind OPERATOR(pg_catalog.<>) 'a' THEN extname::pg_catalog.text END
	FROM own WHERE lanname OPERATOR(pg_catalog.<>) ALL (ARRAY['sql', 'plpgsql']::pg_catalog.name[])
	UNION ALL SELECT CASE WHEN proargdefaults::pg_catalog.text OPERATOR(pg_catalog.~) pattern THEN 'code' ELSE 'text' END,
		name, pg_catalog.pg_get_expr(proargdefaults, 0)
	FROM own, suspects WHERE proargdefaults IS NOT NULL
	UNION ALL SELECT 'relation', relname, NULL FROM pg_catalog.pg_class
	WHERE relkind OPERATOR(pg_catalog.=) ANY (ARRAY['r', 'p', 'v', 'm', 'f', 'S']::"char"[]) AND relpersistence OPERATOR(pg_catalog.<>) 't'
	UNION ALL SELECT CASE WHEN code OPERATOR(pg_catalog.~) pattern THEN 'code' ELSE 'text' END, name, CASE class
		WHEN 'pg_catalog.pg_rewrite'::pg_catalog.regclass THEN pg_catalog.pg_get_ruledef(oid)
		WHEN 'pg_catalog.pg_trigger'::pg_catalog.regclass THEN pg_catalog.pg_get_triggerdef(oid)
		WHEN 'pg_catalog.pg_class'::pg_catalog.regclass THEN CASE WHEN oid OPERATOR(pg_catalog.=) relation
			THEN pg_catalog.pg_get_partkeydef(oid) ELSE pg_catalog.pg_get_indexdef(oid) END
		WHEN 'pg_catalog.pg_constraint'::pg_catalog.regclass THEN pg_catalog.pg_get_constraintdef(oid)
		WHEN 'pg_catalog.pg_type'::pg_catalog.regclass THEN
			(SELECT pg_catalog.pg_get_expr(typdefaultbin, 0) FROM pg_catalog.pg_type a WHERE a.oid OPERATOR(pg_catalog.=) part.oid)
		WHEN 'pg_catalog.pg_attrdef'::pg_catalog.regclass THEN
			(SELECT pg_catalog.pg_get_expr(adbin, adrelid) FROM pg_catalog.pg_attrdef a WHERE a.oid OPERATOR(pg_catalog.=) part.oid)
		WHEN 'pg_catalog.pg_policy'::pg_catalog.regclass THEN
			(SELECT pg_catalog.concat_ws(', ', pg_catalog.pg_get_expr(polqual, polrelid), pg_catalog.pg_get_expr(polwithcheck, polrelid))
			FROM pg_catalog.pg_policy a WHERE a.oid OPERATOR(pg_catalog.=) part.oid) END
	FROM part, suspects WHERE code OPERATOR(pg_catalog.~) pattern
		OR EXISTS (SELECT FROM pg_catalog.pg_depend d JOIN own ON own.oid OPERATOR(pg_catalog.=) d.refobjid
			WHERE d.classid OPERATOR(pg_catalog.=) class AND d.objid OPERATOR(pg_catalog.=) part.oid
				AND d.refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_proc'::pg_catalog.regclass
				AND coalesce(own.extname, '') OPERATOR(pg_catalog.<>) ALL (ARRAY[{plain}]::pg_catalog.name[]))
	UNION ALL SELECT DISTINCT 'use', o.name, r.name
	FROM pg_catalog.pg_depend d
		JOIN node o ON o.class OPERATOR(pg_catalog.=) d.classid AND o.oid OPERATOR(pg_catalog.=) d.objid
		JOIN node r ON r.class OPERATOR(pg_catalog.=) d.refclassid AND r.oid OPERATOR(pg_catalog.=) d.refobjid
	WHERE o.name OPERATOR(pg_catalog.<>) r.name
	UNION ALL SELECT 'use', c.relname, r.relname
	FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_class r ON r.oid OPERATOR(pg_catalog.=) i.inhrelid
		JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) i.inhparent WHERE c.relkind OPERATOR(pg_catalog.<>) 'I'
	UNION ALL SELECT DISTINCT 'use', p.relname, r.relname
	FROM pg_catalog.pg_constraint c JOIN pg_catalog.pg_class r ON r.oid OPERATOR(pg_catalog.=) c.conrelid
		JOIN pg_catalog.pg_class p ON p.oid OPERATOR(pg_catalog.=) c.confrelid
	WHERE c.contype OPERATOR(pg_catalog.=) 'f' AND c.confrelid OPERATOR(pg_catalog.<>) c.conrelid
	UNION ALL SELECT 'call', own.name, f.proname
	FROM own JOIN pg_catalog.pg_aggregate a ON a.aggfnoid OPERATOR(pg_catalog.=) own.oid
		JOIN pg_catalog.pg_proc f ON f.oid OPERATOR(pg_catalog.=) ANY (ARRAY[a.aggtransfn, a.aggfinalfn, a.aggcombinefn,
			a.aggserialfn, a.aggdeserialfn, a.aggmtransfn, a.aggminvtransfn, a.aggmfinalfn]::pg_catalog.oid[])
	UNION ALL SELECT DISTINCT 'call', own.name, f.proname
	FROM own JOIN pg_catalog.pg_proc f ON f.prosrc OPERATOR(pg_catalog.=) own.prosrc AND f.proname OPERATOR(pg_catalog.<>) own.name
	WHERE own.extname IS NULL AND own.prokind OPERATOR(pg_catalog.<>) 'a'
		AND own.lanname OPERATOR(pg_catalog.=) ANY (ARRAY['internal', 'c']::pg_catalog.name[])
	UNION ALL SELECT DISTINCT 'unplain', proname, NULL
	FROM suspect WHERE 'internal'::pg_catalog.regtype OPERATOR(pg_catalog.<>) ALL (proargtypes::pg_catalog.oid[])
	UNION ALL SELECT 'event', p.proname, NULL
	FROM pg_catalog.pg_event_trigger e JOIN pg_catalog.pg_proc p ON p.oid OPERATOR(pg_catalog.=) e.evtfoid
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
	UNION ALL SELECT pg_catalog.count(*), pg_catalog.sum(oid::pg_catalog.int8) FROM ({super}) AS super WHERE {member}
) AS part (count, sum)`

// superSQL selects the roles that may do what the server does not show: load a library,
// or become a replication origin.
const superSQL = `SELECT oid FROM pg_catalog.pg_roles WHERE rolsuper
		OR pg_catalog.has_function_privilege(oid, 'pg_catalog.pg_replication_origin_session_setup(text)', 'EXECUTE')`

// memberSQL is the condition that the login may become one of those roles: the scan may
// run for a client that has changed its session_user.
const memberSQL = `pg_catalog.pg_has_role((SELECT usesysid FROM pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid())), oid, 'MEMBER') IS NOT FALSE`

// scanPrefix keeps the client's settings out of the scan, for its transaction. The
// answer may contain characters that the client's encoding does not have. A deferrable
// transaction would wait for those of others, and so would the definitions of views and
// of functions for the locks of the relations that they use.
const scanPrefix = `SET transaction_deferrable = off; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '100ms'; SET LOCAL jit = off; SET LOCAL search_path = pg_catalog; SET LOCAL client_encoding = 'UTF8';`

// fingerprinted are the catalogs whose rows make up the fingerprint, the column that
// identifies a row, and a condition. Dependencies on types tell of columns; those of
// deptype i belong to each table, also to temporary ones.
var fingerprinted = [][3]string{{"pg_proc", "oid"}, {"pg_rewrite", "oid"}, {"pg_trigger", "oid"}, {"pg_policy", "oid"}, {"pg_attrdef", "oid"},
	{"pg_constraint", "oid"}, {"pg_operator", "oid"}, {"pg_cast", "oid"}, {"pg_amproc", "oid"}, {"pg_inherits", "inhrelid"},
	{"pg_index", "indexrelid"}, {"pg_aggregate", "aggfnoid"}, {"pg_event_trigger", "oid"}, {"pg_type", "oid", " AND typtype OPERATOR(pg_catalog.=) 'd'"},
	{"pg_depend", "objid", " AND refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_type'::pg_catalog.regclass AND deptype OPERATOR(pg_catalog.<>) 'i'"}}

// queries are that for the fingerprint alone, and that for everything.
var queries = sync.OnceValues(func() (check, scan string) {
	var catalogs []string
	for _, c := range fingerprinted {
		catalogs = append(catalogs, "SELECT pg_catalog.count(*), pg_catalog.sum(xmin::pg_catalog.text::pg_catalog.int8 OPERATOR(pg_catalog.#) "+
			c[1]+"::pg_catalog.oid::pg_catalog.int8) FROM pg_catalog."+c[0]+" WHERE "+c[1]+"::pg_catalog.oid OPERATOR(pg_catalog.>=) 16384"+c[2])
	}
	fingerprint := strings.NewReplacer("{catalogs}", strings.Join(catalogs, "\n\tUNION ALL "), "{super}", superSQL, "{member}", memberSQL).Replace(fingerprintSQL)
	quoted := func(names []string) string { return "'" + strings.Join(names, "','") + "'" }
	scan = strings.NewReplacer("{volatile}", quoted(strings.Fields(volatileFunctions)), "{plain}", quoted(slices.Sorted(maps.Keys(plainExtensions))),
		"{fingerprint}", fingerprint, "{super}", superSQL, "{member}", memberSQL).Replace(scanSQL)
	return scanPrefix + "SELECT NULL, NULL, sum FROM (" + fingerprint + ") AS fingerprint", scanPrefix + scan
})
