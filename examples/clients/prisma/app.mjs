// Queries with Prisma, after `prisma db push` and `prisma generate`.
import { PrismaClient } from "@prisma/client";

const prisma = new PrismaClient();
for (const [name, depth] of [["Baikal", 1642], ["Tanganyika", 1470], ["Geneva", 310]]) {
  await prisma.lake.upsert({ where: { name }, update: { depth }, create: { name, depth } });
}
for (const { name, depth } of await prisma.lake.findMany({ where: { depth: { gt: 1000 } }, orderBy: { name: "asc" } })) {
  console.log(name, depth);
}
await prisma.$disconnect();
