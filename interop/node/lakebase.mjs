// The official client, configured by the environment alone: ten connections
// at once. Prints one JSON object: the role, and each connection's session.
import { createLakebasePool, getUsernameWithApiLookup } from "@databricks/lakebase";

const user = await getUsernameWithApiLookup();
const pool = createLakebasePool({ user, max: 10 });
try {
  const clients = await Promise.all(Array.from({ length: 10 }, () => pool.connect()));
  const sessions = await Promise.all(
    clients.map(async (client) => {
      const { rows } = await client.query("select current_user as role, pg_backend_pid() as pid, $1::int + 1 as sum", [41]);
      return rows[0];
    }),
  );
  clients.forEach((client) => client.release());
  console.log(JSON.stringify({ user, sessions }));
} finally {
  await pool.end();
}
