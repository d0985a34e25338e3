// A service as appkit starts it, with its lakebase plugin, configured by the
// environment of an app. Asks itself over HTTP as the service and as a user, and
// prints one JSON object.
import { once } from "node:events";
import { createApp, lakebase, server } from "@databricks/appkit";
import { WorkspaceClient } from "@databricks/sdk-experimental";

// The SDK inside the plugin's @databricks/lakebase drops the port of a workspace.
const workspaceClient = new WorkspaceClient({});
const appkit = await createApp({
  plugins: [server({ host: "127.0.0.1", port: 0 }), lakebase({ pool: { workspaceClient } })],
  onPluginsReady({ server, lakebase }) {
    server.extend((app) => {
      app.get("/who/:as", async (req, res) => {
        const db = req.params.as === "user" ? lakebase.asUser(req) : lakebase;
        try {
          const { rows } = await db.query("select current_user as role, $1::int + 1 as sum", [41]);
          res.json(rows[0]);
        } catch (error) {
          res.json({ code: error.code, message: error.message });
        }
      });
    });
  },
});
const http = appkit.server.getServer();
if (!http.listening) await once(http, "listening");
const { port } = http.address();
const ask = async (as, headers) => (await fetch(`http://127.0.0.1:${port}/who/${as}`, { headers })).json();
const user = { "x-forwarded-access-token": process.env.INTEROP_USER_TOKEN, "x-forwarded-user": process.env.INTEROP_USER, "x-forwarded-email": process.env.INTEROP_USER };
console.log(JSON.stringify({ service: await ask("service", {}), user: await ask("user", user) }));
process.exit(0); // its server and timers go on
