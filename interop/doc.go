// Package interop lets other people's clients judge the local Lakebase: psql
// and pgbench, the official Go SDK with bare pgx, the official Node client,
// node-postgres and psycopg. Each is run unchanged and is told only what a
// stranger would know: the workspace's address and a way to log in to it, its
// REST answers, the port, and the file of the root certificate.
//
// There is nothing to import here. `make interop` installs what is missing,
// runs every client and prints what each one did.
package interop
