// Queries with node-postgres. The variables of libpq say where.
import pg from "pg";

const pool = new pg.Pool({ max: 2 }); // the proxy has the large pool
const client = await pool.connect();
try {
  await client.query("BEGIN");
  await client.query("CREATE TABLE IF NOT EXISTS lakes (name text PRIMARY KEY, depth_m int NOT NULL)");
  for (const lake of [["Baikal", 1642], ["Tanganyika", 1470], ["Geneva", 310]]) {
    await client.query("INSERT INTO lakes VALUES ($1, $2) ON CONFLICT DO NOTHING", lake);
  }
  await client.query("COMMIT");
} catch (error) {
  await client.query("ROLLBACK");
  throw error;
} finally {
  client.release();
}
const { rows } = await pool.query({
  name: "deeper", // a prepared statement
  text: "SELECT name, depth_m FROM lakes WHERE depth_m > $1 ORDER BY name",
  values: [1000],
});
for (const { name, depth_m } of rows) {
  console.log(name, depth_m);
}
await pool.end();
