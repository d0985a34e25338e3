// Queries with Prisma, on node-postgres.
import { PrismaPg } from "@prisma/adapter-pg";
import prismaClient from "./generated/client.js";

const adapter = new PrismaPg({ connectionString: process.env.DATABASE_URL, max: 2 }); // the proxy has the large pool
const prisma = new prismaClient.PrismaClient({ adapter });
await prisma.$executeRaw`CREATE TABLE IF NOT EXISTS lakes (name text PRIMARY KEY, depth_m int NOT NULL)`;
await prisma.$transaction(
  [["Baikal", 1642], ["Tanganyika", 1470], ["Geneva", 310]].map(([name, depth]) =>
    prisma.lake.upsert({ where: { name }, update: { depth }, create: { name, depth } }),
  ),
);
for (const { name, depth } of await prisma.lake.findMany({ where: { depth: { gt: 1000 } }, orderBy: { name: "asc" } })) {
  console.log(name, depth);
}
await prisma.$disconnect();
