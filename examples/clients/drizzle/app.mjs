// Migrates and queries with Drizzle on node-postgres.
import { asc, gt } from "drizzle-orm";
import { drizzle } from "drizzle-orm/node-postgres";
import { migrate } from "drizzle-orm/node-postgres/migrator";
import { integer, pgTable, text } from "drizzle-orm/pg-core";
import pg from "pg";

const lakes = pgTable("lakes", {
  name: text("name").primaryKey(),
  depth: integer("depth_m").notNull(),
});

const pool = new pg.Pool({ max: 2 }); // the proxy has the large pool
const db = drizzle(pool);
await migrate(db, { migrationsFolder: "migrations" });
await db.transaction(async (tx) => {
  await tx
    .insert(lakes)
    .values([{ name: "Baikal", depth: 1642 }, { name: "Tanganyika", depth: 1470 }, { name: "Geneva", depth: 310 }])
    .onConflictDoNothing();
});
for (const { name, depth } of await db.select().from(lakes).where(gt(lakes.depth, 1000)).orderBy(asc(lakes.name))) {
  console.log(name, depth);
}
await pool.end();
