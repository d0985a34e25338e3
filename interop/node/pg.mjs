// Plain node-postgres with a token as password: a query with parameters, a
// refused statement, a transaction. Prints one JSON object.
import pg from "pg";

const client = new pg.Client({ ssl: { rejectUnauthorized: true } }); // the rest is PG* variables
await client.connect();
try {
  const { rows } = await client.query({ name: "who", text: "select current_user as role, $1::text as said", values: ["hello"] });
  const refused = await client.query("select 1/0").catch((error) => error.code);
  await client.query("begin");
  await client.query("create temporary table t (n int) on commit drop");
  await client.query("insert into t select generate_series(1, 1000)");
  const sum = await client.query("select sum(n)::int as sum from t");
  await client.query("commit");
  console.log(JSON.stringify({ ...rows[0], refused, sum: sum.rows[0].sum }));
} finally {
  await client.end();
}
