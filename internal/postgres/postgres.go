// Package postgres runs real PostgreSQL servers: it finds an installation,
// initialises data directories, starts, stops and clones servers, and leaves
// none behind. Servers listen on a private Unix socket only.
//
// # Which PostgreSQL
//
// LAKEBASE_POSTGRES_BIN, if set, names the directory of the binaries and is
// not second-guessed. Otherwise every directory that holds both postgres and
// initdb is considered: those on PATH, the one pg_config names, then the
// places where distributions, Homebrew, Postgres.app and the EDB installer put
// them. The major versions are preferred in the order 17, 16, 18, 15, 14; of
// two with the same version the one found first wins.
//
// # Which user
//
// PostgreSQL refuses to run as root. Root gives new data directories to the
// user who called sudo, else to postgres, else to nobody, and a server runs as
// the owner of its data directory.
//
// # What is cached
//
// A fresh data directory takes PostgreSQL most of a second to make, so it is
// made once and then copied. The originals are kept in LAKEBASE_CACHE_DIR, by
// default /var/cache/lakebase for root and lakebase in the user's cache
// directory for everyone else. The directory may be deleted at any time when
// no server runs.
//
// # What happens when this process dies
//
// Its servers shut down, even after SIGKILL: on Linux the kernel tells them, on
// other systems a small shell process that notices the end of a pipe.
package postgres

// Admin is the superuser of every server this package initialises.
const Admin = "lakebase_admin"

// port is part of the name of a server's socket; nothing listens on TCP.
const port = "5432"
