// Package interop lets other people's clients judge the local Lakebase: psql
// and pgbench, the official Go SDK with bare pgx, the official Node client,
// node-postgres and psycopg. Each is run unchanged and is told only what a
// stranger would know: the workspace's address and a way to log in to it, its
// REST answers, the port, and the file of the root certificate.
//
// They and more, pg_dump, lib/pq, asyncpg and the JDBC driver among them, judge
// the proxy, too: all that they can do they must be able to do by way of it, in
// both modes, with and without a password.
//
// Shells judge the completion of the command line, and mandoc its manual pages.
//
// There is nothing to import here. `make interop` installs what is missing,
// runs every client and prints what each one did. `make judges` lets other
// people's test suites at the proxy: PostgreSQL's libpq_pipeline, those of pgx
// and lib/pq.
package interop
