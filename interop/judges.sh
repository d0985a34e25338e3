#!/bin/sh
# Lets outside judges at the proxy: PostgreSQL's own libpq_pipeline and the test
# suites of pgx and lib/pq, each directly, in session mode and in transaction
# mode. Prints tables; takes about 15 minutes, half of it to build.
#
# What is fetched and built is kept in JUDGES_DIR (by default below the user's
# cache directory), and nothing of it gets into the repository. PostgreSQL's
# source comes from the distribution, by apt-get; where that is not possible,
# POSTGRES_SOURCE names a directory that has it. Arguments go to go test, such
# as -race, which builds the proxy with the race detector.
set -eu
cd "$(dirname "$0")"
GO=${GO:-go}
JUDGES_DIR=${JUDGES_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/lakebase-judges}

say() { echo "judges: $*"; }

fail() {
	echo "judges: $*" >&2
	exit 1
}

# quietly CMD...: shows what it printed only if it fails.
quietly() {
	"$@" >"$JUDGES_DIR/log" 2>&1 || {
		tail -n 20 "$JUDGES_DIR/log" >&2
		fail "failed: $*"
	}
}

# own_apt PROGRAM ARG...: apt with lists and settings of our own, in which the
# distribution's sources are switched on. Needs no root.
own_apt() {
	program=$1
	shift
	"$program" -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$JUDGES_DIR/apt/sources" \
		-o Dir::State::lists="$JUDGES_DIR/apt/lists" -o Dir::Cache="$JUDGES_DIR/apt/cache" -o APT::Sandbox::User=root "$@"
}

# switch_on FILE: FILE with its packages' sources instead of its packages, if it
# is about Debian or Ubuntu itself.
switch_on() {
	case $1 in
	*.sources) sed 's/^Types:.*/Types: deb-src/' "$1" ;;
	*) sed -n 's/^deb /deb-src /p' "$1" | grep -E 'debian\.org|ubuntu\.com' ;;
	esac
}

# fetch_postgres MAJOR: its source, of the newest version that there is.
fetch_postgres() {
	command -v apt-get >/dev/null || fail 'no apt-get: set POSTGRES_SOURCE to a directory with the source of PostgreSQL'
	mkdir -p "$JUDGES_DIR/apt/sources" "$JUDGES_DIR/apt/lists/partial" "$JUDGES_DIR/apt/cache/archives/partial" "$JUDGES_DIR/apt/source"
	for file in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
		if [ -f "$file" ] && grep -qE 'debian\.org|ubuntu\.com' "$file"; then
			switch_on "$file" >"$JUDGES_DIR/apt/sources/${file##*/}" || :
		fi
	done
	quietly own_apt apt-get update
	for version in $(own_apt apt-cache showsrc "postgresql-$1" | sed -n 's/^Version: //p' | sort -rV); do
		say "fetching the source of postgresql-$1 $version"
		if (cd "$JUDGES_DIR/apt/source" && own_apt apt-get source --download-only "postgresql-$1=$version") >"$JUDGES_DIR/log" 2>&1; then
			mkdir -p "$JUDGES_DIR/postgres-$1.new"
			tar xf "$JUDGES_DIR/apt/source/postgresql-$1_${version%-*}.orig.tar.bz2" -C "$JUDGES_DIR/postgres-$1.new" --strip-components=1
			mv "$JUDGES_DIR/postgres-$1.new" "$JUDGES_DIR/postgres-$1"
			return
		fi
	done
	tail -n 5 "$JUDGES_DIR/log" >&2
	fail "apt-get has no source of postgresql-$1: set POSTGRES_SOURCE to a directory that has it"
}

# build_pipeline: libpq_pipeline, with what it needs of the source.
build_pipeline() {
	major=$(psql --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')
	source=$JUDGES_DIR/postgres-$major
	if [ -n "${POSTGRES_SOURCE:-}" ]; then
		source=$JUDGES_DIR/postgres-own
		[ -d "$source" ] || cp -R "$POSTGRES_SOURCE" "$source"
	fi
	[ -d "$source" ] || fetch_postgres "$major"
	module=$source/src/test/modules/libpq_pipeline
	if ! [ -x "$module/libpq_pipeline" ]; then
		say 'building libpq_pipeline'
		(
			cd "$source"
			[ -f config.status ] || quietly ./configure --without-readline --without-zlib --without-icu
			[ -f src/include/utils/errcodes.h ] || quietly make -s -C src/backend generated-headers
			for part in src/port src/common src/interfaces/libpq src/test/modules/libpq_pipeline; do
				quietly make -s -C "$part"
			done
		)
	fi
	ln -sfn "$module" "$JUDGES_DIR/libpq_pipeline"
}

# build_suite NAME MODULE: the tests of a Go module, one program for each package.
build_suite() {
	version=$($GO list -m -f '{{.Version}}' "$2")
	if [ "$(cat "$JUDGES_DIR/$1.version" 2>/dev/null)" != "$version" ]; then
		say "building the tests of $2 $version"
		rm -rf "${JUDGES_DIR:?}/$1" "${JUDGES_DIR:?}/$1.tests"
		cp -R "$($GO list -m -f '{{.Dir}}' "$2")" "$JUDGES_DIR/$1"
		chmod -R u+w "$JUDGES_DIR/$1"
		if [ "$1" = pq ]; then
			# It gives a connection a tenth of a second, which a machine
			# that is busy may need.
			sed -i 's/100 \* time\.Millisecond/5 * time.Second/' "$JUDGES_DIR/pq/notify_test.go"
		fi
		mkdir "$JUDGES_DIR/$1.tests"
		(cd "$JUDGES_DIR/$1" && GOWORK=off quietly "$GO" test -c -o "$JUDGES_DIR/$1.tests/" ./...)
		echo "$version" >"$JUDGES_DIR/$1.version"
	fi
}

mkdir -p "$JUDGES_DIR"
for program in psql gcc make bzip2; do
	command -v $program >/dev/null || fail "$program is missing: install it"
done
build_pipeline
build_suite pgx github.com/jackc/pgx/v5
build_suite pq github.com/lib/pq
say 'judging'
exec "$GO" test -count=1 -timeout 60m -run "^TestJudges${JUDGE:+/$JUDGE}" "$@" -args -judges "$JUDGES_DIR"
