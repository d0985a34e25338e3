// Package postgres runs real PostgreSQL servers: it finds an installation,
// initialises data directories, starts, stops and clones servers, and ends them
// with this process. Servers listen on a private Unix socket only.
//
// # Which PostgreSQL
//
// LAKEBASE_POSTGRES_BIN, if set, is the directory of the programs. Otherwise
// every directory that has both postgres and initdb is considered: those on
// PATH, the one that pg_config prints, then the places of distributions,
// Homebrew, Postgres.app and the EDB installer. The major versions are preferred
// in the order 17, 16, 18, 15, 14, and within a version the first directory.
// Find asks the programs once per process.
//
// # Which user
//
// PostgreSQL refuses to run as root. If this process is root's, new data
// directories belong to the user who called sudo, else to postgres, else to
// nobody. A server runs as the owner of its data directory.
//
// # What is cached
//
// PostgreSQL takes most of a second to create a data directory, so this is done
// once and the result is copied. The templates are in LAKEBASE_CACHE_DIR, by
// default /var/cache/lakebase for root and lakebase in the user's cache
// directory otherwise. The directory may be deleted while no server runs.
//
// # What happens when this process ends
//
// Its servers shut down, even after SIGKILL: on Linux the kernel signals them, on
// other systems a small shell process that waits for the end of a pipe.
package postgres

// Admin is the superuser of every server this package initialises.
const Admin = "lakebase_admin"

// port is part of the name of a server's socket. Servers do not use TCP.
const port = "5432"
