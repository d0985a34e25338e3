// Package interop runs other people's clients against the local Lakebase: psql
// and pgbench, the official Go SDK with bare pgx, the official Node client,
// node-postgres and psycopg. Each runs unchanged, with only what any user has: the
// workspace's address and a login, its REST replies, the port, and the file of the
// root certificate.
//
// They and more, pg_dump, lib/pq, asyncpg and the JDBC driver among them, run
// through the proxy too: everything that they can do must work there as well, in
// both modes, with and without a password.
//
// Frameworks that bring much of their own start, migrate and work through it as over
// direct connections: Django, Active Record of Rails, and River, which waits for jobs by
// LISTEN.
//
// PgBouncer's Prometheus exporters read the proxy's console, where EXPORTERS names a
// directory with them.
//
// Shells check the completion of the command line, and mandoc its manual pages.
//
// There is nothing to import here. `make interop` installs missing clients, runs
// all and prints the results. `make judges` runs other people's test suites
// through the proxy: PostgreSQL's libpq_pipeline, and those of pgx and lib/pq.
package interop
