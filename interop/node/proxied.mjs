// Tries what a client of the proxy should be able to do, with node-postgres, by
// libpq's environment. Prints one JSON object: for each skill "ok" or what went
// wrong.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setTimeout as pause } from "node:timers/promises";
import pg from "pg";
import { from as copyFrom, to as copyTo } from "pg-copy-streams";

const { INTEROP_NAME: name, INTEROP_ROLE: role, INTEROP_MODE: mode, PGSSLROOTCERT: root } = process.env;
const shared = mode === "transaction";

function unconnected() {
  const ssl = root ? { ca: readFileSync(root), servername: "localhost" } : false;
  return new pg.Client({ ssl }); // the rest is PG* variables
}

async function open() {
  const client = unconnected();
  client.on("error", () => {}); // the query that runs fails anyway
  await client.connect();
  return client;
}

const value = async (client, text, values) => Object.values((await client.query(text, values)).rows[0])[0];

async function refused(client, code, text, values) {
  await assert.rejects(client.query(text, values), { code });
}

const skills = {
  async connect(client) {
    assert.equal(await value(client, "select current_user"), role);
    assert.equal(await value(client, "show application_name"), name);
  },

  async transaction(client) {
    const table = `${name}_transaction`;
    await client.query(`create table ${table} (n int primary key)`);
    await client.query("begin");
    await client.query(`insert into ${table} select generate_series(1, 1000)`);
    await client.query("rollback");
    assert.equal(await value(client, `select count(*)::int from ${table}`), 0);
    await client.query("begin");
    await client.query(`insert into ${table} select generate_series(1, 1000)`);
    await client.query("savepoint before_mistake");
    await refused(client, "23505", `insert into ${table} values (7)`);
    await client.query("rollback to before_mistake");
    await client.query("commit");
    assert.equal(await value(client, `select sum(n)::int from ${table}`), 500500);
    await client.query(`drop table ${table}`);
  },

  async prepared(client) {
    const backends = new Set();
    for (let n = 0; n < 100 || (shared && backends.size < 2 && n < 5000); n++) {
      const { rows } = await client.query({ name: "mine", text: "select pg_backend_pid() as pid, $1::int + 1 as sum", values: [n] });
      assert.equal(rows[0].sum, n + 1);
      backends.add(rows[0].pid);
    }
    assert.equal(backends.size > 1, shared);
  },

  async copy(client) {
    const table = `${name}_copy`;
    const lines = Array.from({ length: 10_000 }, (_, n) => `${n}\tz\u00fcrich \u6e56 ${"lake".repeat(25)}\n`);
    await client.query(`create table ${table} (n int, body text)`);
    await pipeline(Readable.from(lines), client.query(copyFrom(`copy ${table} from stdin`)));
    assert.equal(await value(client, `select count(*)::int from ${table}`), 10_000);
    const out = [];
    for await (const chunk of client.query(copyTo(`copy ${table} to stdout`))) out.push(chunk);
    assert.ok(Buffer.concat(out).equals(Buffer.from(lines.join(""))));
    await client.query(`drop table ${table}`);
  },

  async cancel(client) {
    const watch = await open();
    const sleep = `select pg_sleep(600) as ${name}`;
    const active = () => value(watch, "select count(*)::int from pg_stat_activity where state = 'active' and query = $1", [sleep]);
    try {
      const query = new pg.Query(sleep);
      const ended = new Promise((resolve) => {
        query.on("error", resolve);
        query.on("end", resolve);
      });
      client.query(query);
      while ((await active()) !== 1) await pause(5);
      unconnected().cancel(client, query);
      assert.equal((await ended)?.code, "57014");
      while ((await active()) !== 0) await pause(5);
    } finally {
      await watch.end();
    }
    assert.equal(await value(client, "select 1"), 1);
  },

  async "100 MB"(client) {
    const { rows } = await client.query("select repeat('x', 1000) as x from generate_series(1, 100000)");
    assert.equal(rows.length, 100_000);
    assert.equal(rows.reduce((size, row) => size + row.x.length, 0), 100_000_000);
  },

  // While the columns of a table change, each row is read as what it is, or refused as
  // by PostgreSQL.
  async schema(client) {
    const table = `${name}_schema`;
    const changes = {
      w: `alter table ${table} drop column v, add column w text default 'five'`,
      v: `alter table ${table} drop column w, add column v int default 5`,
    };
    await client.query(`create table ${table} (v int default 5)`);
    await client.query(`insert into ${table} values (5)`);
    let reads = 0;
    let ended = false;
    const read = async () => {
      let reader = await open();
      while (!ended) {
        try {
          const { rows } = await reader.query({ name: "changes", text: `select * from ${table} where $1::int > 0`, values: [1] });
          assert.ok(rows.length === 1 && (rows[0].v === 5 || rows[0].w === "five"), JSON.stringify(rows));
          reads++;
        } catch (error) {
          assert.equal(error.code, "0A000", error.message);
          await reader.end();
          reader = await open();
        }
      }
      await reader.end();
    };
    const readers = Promise.all([read(), read(), read()]);
    const change = async () => {
      for (let n = 0; n < 20; n++) {
        await client.query(changes[n % 2 ? "v" : "w"]);
        for (const before = reads; reads < before + 10; ) await pause(1);
      }
      ended = true;
    };
    await Promise.race([readers, change()]);
    await readers;
    await client.query(`drop table ${table}`);
  },

  async error(client) {
    await refused(client, "22012", "select 1/0");
    assert.equal(await value(client, "select 1"), 1);
    await client.query("begin");
    await refused(client, "42601", "selec");
    await refused(client, "25P02", "select 1");
    await client.query("rollback");
    await refused(client, "22012", "select 1/$1::int", [0]);
    assert.equal(await value(client, "select 2"), 2);
  },
};

const report = {};
let client;
for (const [skill, attempt] of Object.entries(skills)) {
  try {
    client ??= await open();
    await attempt(client);
    report[skill] = "ok";
  } catch (error) {
    report[skill] = String(error.message ?? error).slice(0, 500);
    client = undefined;
  }
}
console.log(JSON.stringify(report));
process.exit(0); // connections of what went wrong are still open
