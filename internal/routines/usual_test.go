//go:build unix

package routines

import (
	"testing"

	"github.com/lakebase-go/lakebase/internal/testkit/testpostgres"
)

// usualTexts are what drivers and frameworks send on their own: the start-ups and
// introspections of Django, Rails, Hibernate and the JDBC driver, asyncpg, psycopg, pgx,
// River and pgbench.
var usualTexts = []string{
	// Django
	`SELECT c.relname, CASE WHEN c.relispartition THEN 'p' WHEN c.relkind IN ('m', 'v') THEN 'v' ELSE 't' END, obj_description(c.oid, 'pg_class')
		FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('f', 'm', 'p', 'r', 'v') AND n.nspname NOT IN ('pg_catalog', 'pg_toast') AND pg_catalog.pg_table_is_visible(c.oid)`,
	`SELECT c.conname, array(SELECT attname FROM unnest(c.conkey) WITH ORDINALITY cols(colid, arridx) JOIN pg_attribute AS ca ON cols.colid = ca.attnum
		WHERE ca.attrelid = c.conrelid ORDER BY cols.arridx), c.contype, (SELECT fkc.relname || '.' || fka.attname FROM pg_attribute AS fka
		JOIN pg_class AS fkc ON fka.attrelid = fkc.oid WHERE fka.attrelid = c.confrelid AND fka.attnum = c.confkey[1]), cl.reloptions
		FROM pg_constraint AS c JOIN pg_class AS cl ON c.conrelid = cl.oid WHERE cl.relname = $1 AND pg_catalog.pg_table_is_visible(cl.oid)`,
	`SELECT indexname, array_agg(attname ORDER BY arridx), indisunique, indisprimary, array_agg(ordering ORDER BY arridx), amname, exprdef, s2.attoptions
		FROM (SELECT c2.relname as indexname, idx.*, attr.attname, am.amname, CASE WHEN idx.indexprs IS NOT NULL THEN pg_get_indexdef(idx.indexrelid) END AS exprdef,
		CASE am.amname WHEN 'btree' THEN CASE (option & 1) WHEN 1 THEN 'DESC' ELSE 'ASC' END END as ordering, c2.reloptions as attoptions
		FROM (SELECT * FROM pg_index i, unnest(i.indkey, i.indoption) WITH ORDINALITY koi(key, option, arridx)) idx
		LEFT JOIN pg_class c ON idx.indrelid = c.oid LEFT JOIN pg_class c2 ON idx.indexrelid = c2.oid LEFT JOIN pg_am am ON c2.relam = am.oid
		LEFT JOIN pg_attribute attr ON attr.attrelid = c.oid AND attr.attnum = idx.key WHERE c.relname = $1 AND pg_catalog.pg_table_is_visible(c.oid)) s2
		GROUP BY indexname, indisunique, indisprimary, amname, exprdef, attoptions`,
	`SELECT s.relname AS sequence_name, a.attname AS colname FROM pg_class s JOIN pg_depend d ON d.objid = s.oid AND d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
		JOIN pg_attribute a ON d.refobjid = a.attrelid AND d.refobjsubid = a.attnum JOIN pg_class tbl ON tbl.oid = d.refobjid AND tbl.relname = $1 WHERE s.relkind = 'S'`,
	`INSERT INTO "auth_user" ("name", "at") VALUES ($1, $2), ($3, $4) ON CONFLICT ("name") DO UPDATE SET "at" = EXCLUDED."at" RETURNING "auth_user"."id"`,
	`SELECT (1) AS "a" FROM "auth_user" WHERE "auth_user"."name"::text LIKE UPPER($1) LIMIT 1`,
	`UPDATE "auth_user" SET "name" = CASE WHEN ("auth_user"."id" = $1) THEN $2::text ELSE NULL END WHERE "auth_user"."id" IN ($3)`,
	`SELECT DATE_TRUNC('day', "auth_user"."at" AT TIME ZONE 'UTC') AS "d", COUNT(*) FILTER (WHERE "auth_user"."id" > 1) FROM "auth_user" GROUP BY 1 HAVING COUNT(*) > 1 ORDER BY 1 DESC`,
	// Rails
	`SELECT t.oid, t.typname, t.typelem, t.typdelim, t.typinput, r.rngsubtype, t.typtype, t.typbasetype FROM pg_type as t LEFT JOIN pg_range as r ON oid = rngtypid
		WHERE t.typname IN ('int2', 'int4', 'varchar') OR t.typtype IN ('r', 'e', 'd') OR t.typinput = 'array_in(cstring,oid,integer)'::regprocedure OR t.typelem != 0`,
	`SELECT a.attname, format_type(a.atttypid, a.atttypmod), pg_get_expr(d.adbin, d.adrelid), a.attnotnull, c.collname, col_description(a.attrelid, a.attnum) AS comment
		FROM pg_attribute a LEFT JOIN pg_attrdef d ON a.attrelid = d.adrelid AND a.attnum = d.adnum LEFT JOIN pg_type t ON a.atttypid = t.oid
		LEFT JOIN pg_collation c ON a.attcollation = c.oid AND a.attcollation <> t.typcollation WHERE a.attrelid = '"auth_user"'::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`,
	`SELECT a.attname FROM (SELECT indrelid, indkey, generate_subscripts(indkey, 1) idx FROM pg_index WHERE indrelid = '"auth_user"'::regclass AND indisprimary) i
		JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[i.idx] ORDER BY i.idx`,
	`SELECT distinct i.relname, d.indisunique, d.indkey, pg_get_indexdef(d.indexrelid), t.oid, pg_catalog.obj_description(i.oid, 'pg_class') AS comment, d.indisvalid
		FROM pg_class t INNER JOIN pg_index d ON t.oid = d.indrelid INNER JOIN pg_class i ON d.indexrelid = i.oid LEFT JOIN pg_namespace n ON n.oid = t.relnamespace
		WHERE i.relkind IN ('i', 'I') AND d.indisprimary = 'f' AND t.relname = 'auth_user' AND n.nspname = ANY (current_schemas(false)) ORDER BY i.relname`,
	`SELECT 1 AS one FROM "auth_user" WHERE "auth_user"."name" = $1 LIMIT $2`,
	// JDBC and Hibernate
	`SELECT NULL AS TABLE_CAT, n.nspname AS TABLE_SCHEM, c.relname AS TABLE_NAME, CASE n.nspname ~ '^pg_' OR n.nspname = 'information_schema' WHEN true THEN 'SYSTEM TABLE' ELSE NULL END AS TABLE_TYPE,
		d.description AS REMARKS FROM pg_catalog.pg_namespace n, pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_description d ON (c.oid = d.objoid AND d.objsubid = 0 and d.classoid = 'pg_class'::regclass)
		WHERE c.relnamespace = n.oid AND c.relname LIKE 'auth%' AND (false OR (c.relkind = 'r' AND n.nspname !~ '^pg_')) ORDER BY TABLE_TYPE, TABLE_SCHEM, TABLE_NAME`,
	`SELECT result.TABLE_NAME, result.COLUMN_NAME, result.KEY_SEQ FROM (SELECT ct.relname AS TABLE_NAME, a.attname AS COLUMN_NAME, (information_schema._pg_expandarray(i.indkey)).n AS KEY_SEQ,
		ci.relname AS PK_NAME, information_schema._pg_expandarray(i.indkey) AS KEYS, a.attnum AS A_ATTNUM FROM pg_catalog.pg_class ct JOIN pg_catalog.pg_attribute a ON (ct.oid = a.attrelid)
		JOIN pg_catalog.pg_index i ON (a.attrelid = i.indrelid) JOIN pg_catalog.pg_class ci ON (ci.oid = i.indexrelid) WHERE i.indisprimary) result where result.A_ATTNUM = (result.KEYS).x`,
	`select * from information_schema.sequences`,
	`select u1_0.id,u1_0.name from auth_user u1_0 left join orders o1_0 on u1_0.id=o1_0.user_id where u1_0.name=$1 order by u1_0.id offset $2 rows fetch first $3 rows only`,
	`insert into orders (user_id,note) values ($1,$2) returning id`, `select next_val as id_val from sequences_ for update`,
	// asyncpg and psycopg
	`WITH RECURSIVE typeinfo_tree(oid, ns, name, kind, basetype, elemtype, depth) AS (SELECT ti.oid, ti.typnamespace, ti.typname, ti.typtype, ti.typbasetype, ti.typelem, 0
		FROM pg_type AS ti WHERE ti.oid = any($1::oid[]) UNION ALL SELECT ti.oid, ti.typnamespace, ti.typname, ti.typtype, ti.typbasetype, ti.typelem, tt.depth + 1
		FROM pg_type ti, typeinfo_tree tt WHERE (tt.elemtype IS NOT NULL AND ti.oid = tt.elemtype) AND tt.depth < 9)
		SELECT DISTINCT *, basetype::regtype::text AS basetype_name, (CASE WHEN (kind = 'd') THEN (WITH RECURSIVE b(oid, depth) AS (SELECT t.typbasetype, 0 FROM pg_type t WHERE t.oid = typeinfo_tree.oid) SELECT b.oid FROM b) END)
		FROM typeinfo_tree ORDER BY depth DESC`,
	`SELECT typname AS name, oid, typarray AS array_oid, oid::regtype::text AS regtype, typdelim AS delimiter FROM pg_type t WHERE t.oid = to_regtype($1) ORDER BY t.oid`,
	// River
	`WITH locked_jobs AS (SELECT * FROM jobs WHERE state = 'available' AND queue = $1::text AND at <= coalesce($2::timestamptz, now()) ORDER BY priority ASC, at ASC, id ASC LIMIT $3::integer FOR UPDATE SKIP LOCKED)
		UPDATE jobs SET state = 'running', attempt = jobs.attempt + 1, attempted_by = array_append(CASE WHEN array_length(jobs.attempted_by, 1) >= 100 THEN jobs.attempted_by[2:] ELSE jobs.attempted_by END, $4::text)
		FROM locked_jobs WHERE jobs.id = locked_jobs.id RETURNING jobs.*`,
	`INSERT INTO jobs (id, queue, state) SELECT unnest($1::bigint[]), unnest($2::text[]), unnest($3::text[]) ON CONFLICT (id) WHERE state IS NOT NULL DO UPDATE SET queue = EXCLUDED.queue RETURNING jobs.*, (xmax != 0) AS skipped`,
	`SELECT pg_notify($1::text, payload) FROM (SELECT unnest($2::text[]) AS payload) p`, `SELECT now() - make_interval(secs => $1), pg_try_advisory_xact_lock($2)`,
	`DELETE FROM jobs WHERE id IN (SELECT id FROM jobs WHERE state = any($1::text[]) LIMIT 10 FOR UPDATE) RETURNING id`,
	// Others
	`UPDATE pgbench_accounts SET abalance = abalance + $1 WHERE aid = $2`, `INSERT INTO orders (user_id) VALUES (1)`,
	`SELECT o.*, lag(o.id, 1) OVER w, rank() OVER (PARTITION BY o.user_id ORDER BY o.id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) FROM orders o WINDOW w AS (PARTITION BY o.user_id ORDER BY o.id)`,
	`SELECT x.k, y.* FROM orders o, LATERAL jsonb_each(to_jsonb(o)) x(k, v), LATERAL (SELECT 1) y(a), jsonb_to_recordset('[]') AS z(a int, b text), json_to_record('{}') r(a numeric(10,2))`,
	`MERGE INTO orders o USING (VALUES (1)) AS n (id) ON o.id = n.id WHEN MATCHED AND o.note IS DISTINCT FROM 'x' THEN UPDATE SET note = 'x', user_id = (n.id) WHEN NOT MATCHED THEN INSERT (user_id) VALUES (n.id)`,
	`SELECT xmltable.* FROM auth_user, xmltable('/a' PASSING xmlparse(document '<a/>') COLUMNS id int PATH '@id' DEFAULT 1)`,
	`SELECT * FROM orders TABLESAMPLE bernoulli (10) REPEATABLE (1)`, `SELECT ARRAY(SELECT id FROM orders), ROW(1, 2), (1, 2) IN (SELECT 1, 2), EXISTS (SELECT 1), '{1}'::int[] && ARRAY[1]`,
}

func TestUsualTextsArePlain(t *testing.T) {
	conn := connect(t, testpostgres.Start(t))
	run(t, conn, `CREATE TABLE auth_user (id serial PRIMARY KEY, name text UNIQUE, at timestamptz); CREATE TABLE orders (id serial PRIMARY KEY, user_id int REFERENCES auth_user, note text);
		CREATE TABLE jobs (id bigserial PRIMARY KEY, queue text, state text, at timestamptz, priority int, attempt int, attempted_by text[]); CREATE TABLE pgbench_accounts (aid int, abalance int);
		CREATE TABLE sequences_ (next_val int)`)
	n := scan(t, conn)
	for _, text := range usualTexts {
		if _, err := conn.Prepare(t.Context(), "", text, nil); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if r := n.Read([]byte(text)); r.Impact != 0 {
			t.Errorf("%s: impact %b", text, r.Impact)
		}
	}
}
