#!/bin/sh
# Makes sure that what the proxy is measured with is here: pgbench and
# PgBouncer. PGBOUNCER may name one that is not on the PATH. Debian's own is
# old; what the documentation shows was measured beside a newer one.
set -eu

say() { printf '%s\n' "bench: $*"; }

fail() {
	say "$*" >&2
	exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

has_pgbouncer() { [ -n "${PGBOUNCER:-}" ] || has pgbouncer || [ -x /usr/sbin/pgbouncer ]; }

if [ "$(uname)" != Linux ]; then
	exit 0 # the proxy is measured on Linux only
fi
packages=
has pgbench || packages="$packages postgresql-contrib"
has_pgbouncer || packages="$packages pgbouncer"
[ -n "$packages" ] || exit 0
has apt-get || fail "pgbench or pgbouncer is missing: install them, or name a pgbouncer by PGBOUNCER"

sudo=
if [ "$(id -u)" != 0 ]; then
	sudo='sudo -n'
	$sudo true 2>/dev/null || fail "run 'apt-get install$packages' as root, then run this again"
fi

# Debian's package starts a server of its own, unless this script says no. It
# is ours, and goes away when this ends.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
	trap '$sudo rm -f $policy' EXIT
	trap 'exit 1' HUP INT TERM
	$sudo sh -c "printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy"
fi
say "installing$packages"
log=$(mktemp)
# shellcheck disable=SC2086 # the packages are words
install() { $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $packages >"$log" 2>&1; }
install || { $sudo apt-get update -q >"$log" 2>&1 && install; } || {
	tail -n 5 "$log" >&2
	rm -f "$log"
	fail "apt-get could not install$packages"
}
rm -f "$log"
has pgbench && has_pgbouncer || fail 'pgbench or pgbouncer is still missing'
