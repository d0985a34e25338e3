#!/bin/sh
# Makes sure that PostgreSQL (14 or newer: postgres, initdb, pg_basebackup and
# psql) is installed, for the local Lakebase and its tests. Says nothing and changes
# nothing if it is. Otherwise it installs the system's own package, with sudo if
# need be, and no server is set up or started by that.
#
# LAKEBASE_POSTGRES_BIN names the directory of the binaries if it is unusual.
set -eu

oldest=14

say() { printf '%s\n' "ensure-postgres: $*"; }

die() {
    say "$*" >&2
    exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

# usable DIR: both binaries are there, and new enough.
usable() {
    [ -x "$1/postgres" ] && [ -x "$1/initdb" ] || return 1
    major=$("$1/postgres" --version 2>/dev/null | sed -n 's/.*(PostgreSQL) \([0-9][0-9]*\).*/\1/p')
    [ "${major:-0}" -ge "$oldest" ]
}

# with_clients DIR: pg_basebackup is there, and psql there or on PATH.
with_clients() { [ -x "$1/pg_basebackup" ] && { [ -x "$1/psql" ] || has psql; }; }

# candidates: one directory a line.
candidates() {
    if [ -n "${LAKEBASE_POSTGRES_BIN:-}" ]; then
        printf '%s\n' "$LAKEBASE_POSTGRES_BIN"
        return
    fi
    if has postgres; then
        dirname "$(command -v postgres)"
    fi
    if has pg_config; then
        pg_config --bindir 2>/dev/null || :
    fi
    for dir in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /usr/lib/postgresql*/bin \
        /usr/libexec/postgresql* /usr/local/pgsql/bin \
        /opt/homebrew/opt/postgresql@*/bin /usr/local/opt/postgresql@*/bin \
        /Applications/Postgres.app/Contents/Versions/*/bin /Library/PostgreSQL/*/bin; do
        printf '%s\n' "$dir"
    done
}

# found: a usable PostgreSQL is installed, with its client programs.
found() {
    # shellcheck disable=SC2310 # a failing test is an answer
    candidates | while IFS= read -r dir; do
        if usable "$dir" && with_clients "$dir"; then
            echo yes
            break
        fi
    done | grep -q yes
}

# as_root CMD...: runs it as root, or tells how.
as_root() {
    say "running: $*"
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif has sudo; then
        sudo "$@"
    else
        die "this needs root and there is no sudo; as root, run: $*"
    fi
}

# apt_install PACKAGE...
apt_install() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
}

# Debian's server package makes a server of its own and starts it, unless it is
# told not to. It is told in a file of ours that goes away when this ends.
install_debian() {
    no_cluster=/etc/postgresql-common/createcluster.d/zz-ensure-postgres.conf
    as_root apt-get update -q
    apt_install postgresql-common
    as_root mkdir -p "${no_cluster%/*}"
    trap 'as_root rm -f "$no_cluster"' EXIT
    trap 'exit 1' HUP INT TERM
    as_root sh -c "echo 'create_main_cluster = false' >$no_cluster"
    apt_install postgresql postgresql-client
}

install() {
    if has apt-get; then
        install_debian
    elif has dnf; then
        as_root dnf install -y postgresql-server postgresql-contrib postgresql
    elif has apk; then
        as_root apk add postgresql postgresql-contrib postgresql-client
    elif has brew; then
        say "running: brew install postgresql@17"
        brew install postgresql@17
    else
        die "none of apt-get, dnf, apk and brew is here: install PostgreSQL $oldest or newer by hand, or set LAKEBASE_POSTGRES_BIN to the directory of its binaries"
    fi
}

if found; then
    exit 0
fi
if [ -n "${LAKEBASE_POSTGRES_BIN:-}" ]; then
    die "LAKEBASE_POSTGRES_BIN=$LAKEBASE_POSTGRES_BIN does not hold postgres, initdb and pg_basebackup of version $oldest or newer, or there is no psql: correct it, or unset it to have PostgreSQL installed"
fi
say "no PostgreSQL $oldest or newer here (postgres, initdb, pg_basebackup and psql), installing it"
install
found || die "the system's package is no PostgreSQL $oldest or newer: install one from https://www.postgresql.org/download/, or set LAKEBASE_POSTGRES_BIN to the directory of its binaries"
say "done"
