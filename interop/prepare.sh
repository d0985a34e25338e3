#!/bin/sh
# Installs what the clients here and in examples/clients need and what is missing: psql
# and pgbench, Node with the packages of node/package-lock.json, psycopg, asyncpg,
# SQLAlchemy, Django, a JDK, the JDBC driver, HikariCP, Spring, Active Record, PHP; shells
# with their completion, and mandoc. Ends with one line that names what could not be had.
set -eu
cd "$(dirname "$0")"

fail() {
	echo "interop: $*" >&2
	exit 1
}

has() { command -v "$1" >/dev/null 2>&1; }

# install WHAT PACKAGE...: by apt, where there is one and we may use it.
install() {
	what=$1
	shift
	has apt-get || fail "$what is missing: install it ($* in Debian's terms), then run this again"
	sudo=
	if [ "$(id -u)" != 0 ]; then
		sudo='sudo -n'
		$sudo true 2>/dev/null || fail "$what is missing: run 'apt-get install $*' as root, then run this again"
	fi
	echo "interop: installing $*"
	log=$(mktemp)
	$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" >"$log" 2>&1 || {
		$sudo apt-get update >"$log" 2>&1 &&
			$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@" >"$log" 2>&1
	} || {
		tail -n 5 "$log" >&2
		rm -f "$log"
		fail "apt-get could not install $*"
	}
	rm -f "$log"
}

# python3 on the PATH need not be the system's, which apt installs into.
python_has() {
	python3 -c "import $1" 2>/dev/null || /usr/bin/python3 -c "import $1" 2>/dev/null
}

ruby_has() { has ruby && ruby -e "require '$1'" 2>/dev/null; }

if [ -f ../scripts/ensure-postgres.sh ]; then
	sh ../scripts/ensure-postgres.sh
fi
has psql && has pgbench || install 'psql or pgbench' postgresql-client postgresql-contrib
python_has psycopg2 && python_has psycopg || install 'psycopg2 or psycopg' python3-psycopg2 python3-psycopg
python_has asyncpg || install asyncpg python3-asyncpg
python_has django || install Django python3-django
ruby_has active_record && ruby_has pg || install 'Active Record' ruby ruby-activerecord ruby-pg
python_has alembic || install 'SQLAlchemy or Alembic' python3-sqlalchemy alembic
has php && php -m | grep -q pdo_pgsql || install PHP php-cli php-pgsql
has javac && has java || install 'a JDK' default-jdk-headless
[ -e /usr/share/java/postgresql.jar ] || install 'the JDBC driver' libpostgresql-jdbc-java
[ -e /usr/share/java/HikariCP.jar ] && [ -e /usr/share/java/spring3-jdbc.jar ] || install 'HikariCP or Spring' libhikaricp-java libspring-jdbc-java
has node && has npm || install 'node or npm' nodejs npm
[ -e /usr/share/bash-completion/bash_completion ] || install bash-completion bash-completion
has zsh && has fish || install 'zsh or fish' zsh fish
has mandoc || install mandoc mandoc
for program in psql pgbench pg_dump pg_restore node npm javac java ruby bash zsh fish mandoc; do
	has $program || fail "$program is still not on the PATH"
done
node -e 'process.exit(Number(process.versions.node.split(".")[0]) < 18 ? 1 : 0)' ||
	fail "node $(node --version) is too old: 18 or newer is needed"

# npm ci removes and installs everything: not needed while the lock file is
# what was installed from. Scripts of packages would download what has no hash there.
if ! cmp -s node/package-lock.json node/node_modules/.lakebase-lock.json; then
	echo 'interop: installing the Node packages'
	(cd node && npm ci --ignore-scripts --loglevel=error) || fail 'npm ci failed in interop/node'
	cp node/package-lock.json node/node_modules/.lakebase-lock.json
fi
