#!/bin/sh
# Formats, vets and tests every module of the repository, and sums up.
# usage: test.sh [--check]    --check stops after gofmt and vet
set -eu
cd "$(dirname "$0")/.."
GO=${GO:-go}

# Prints what is run, runs it, and remembers a failure without stopping.
run() {
	name=$1
	shift
	printf '\n== %s\n' "$name"
	"$@" || echo "  $name" >>"$out/failed"
}

formatted() {
	unformatted=$(find . -name '*.go' -not -path '*/node_modules/*' -exec "$(command -v gofmt || echo "$($GO env GOROOT)/bin/gofmt")" -l {} +)
	[ -z "$unformatted" ] || { printf 'not formatted by gofmt:\n%s\n' "$unformatted"; return 1; }
}

in_module() {
	(cd "$1" && shift && "$@")
}

out=$(mktemp -d)
trap 'rm -rf "$out" ${fast:+"$fast"}' EXIT

# Tests create the data directories of many PostgreSQL servers: in memory that
# takes a third less processor time than on a disk. Programs are not run from
# there, because such file systems may forbid it. Servers that do not run as root
# pass through the directory.
fast=
if [ -z "${TMPDIR:-}" ] && [ "$(df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 { print $4 }')" -gt 4000000 ] 2>/dev/null; then
	fast=$(mktemp -d /dev/shm/lakebase-XXXXXX) && chmod 711 "$fast"
	export TMPDIR="$fast" GOTMPDIR="${GOTMPDIR:-/tmp}"
fi

# Runs a module's tests and keeps what they print, for failures and for
# tokens_are_secret. Shows one line a package meanwhile.
tests() {
	kept=$out/module-$(basename "$1").log
	{ in_module "$@" 2>&1; echo $? >"$kept.status"; } | tee "$kept" |
		grep --line-buffered -E '^(ok|FAIL|--- FAIL|panic:)' || true
	[ "$(cat "$kept.status")" = 0 ] && return
	failures <"$kept"
	return 1
}

# Prints the output of the packages that failed, without what passed.
failures() {
	awk '/^(ok|FAIL|\?)[ \t]+[a-z].*\// { if ($1 == "FAIL") printf "%s", block; block = ""; next }
		!/^ *(=== |--- PASS|--- SKIP)/ { block = block $0 "\n" }'
}

# A database token is a JWT, and so is an OAuth token of the workspace.
tokens_are_secret() {
	! grep -q -E 'eyJ[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}' "$out"/*.log || {
		echo "a token is in the tests' output, in lines like these:"
		grep -E 'eyJ[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}' "$out"/*.log | head -3 | sed -E 's/eyJ[A-Za-z0-9_.-]+/[token]/g'
		return 1
	}
}

# The race detector needs cgo, and so a C compiler, on most systems.
race=-race
if ! command -v "$($GO env CC)" >/dev/null 2>&1; then
	race=
	echo "no C compiler ($($GO env CC)): testing without the race detector"
fi
# By default a program built with -race sleeps for a second before it exits, for
# the races of goroutines that it leaves behind; the tests check that none are.
export GORACE="${GORACE:-atexit_sleep_ms=0}"

# Nothing reads the tables for debuggers, which take a sixth of the time to compile.
compiled="$race -gcflags=all=-dwarf=false"
# The race detector would look at each word that the arithmetic of the standard
# library's cryptography reads: a fifth of the time of a login by TLS.
arithmetic='-gcflags=crypto/internal/fips140/...=-dwarf=false -race=false'

started=$(date +%s)
modules=$(find . -name go.mod -not -path '*/node_modules/*' -exec dirname {} \; | sort)

run gofmt formatted
for module in $modules; do
	packages=./...
	case $module in
	# To compile the libraries of the others takes half a minute: make examples.
	./examples) packages=$(in_module examples "$GO" list -f '{{.ImportPath}} {{join .Imports " "}}' ./... |
		awk '{ for (i = 2; i <= NF; i++) if ($i ~ /^[^\/]*\./ && $i !~ /^github.com\/(jackc|lakebase-go)\//) next; print $1 }') ;;
	./examples/* | ./deploy | ./browser) continue ;;
	esac
	# With the tests' own flags, so that everything is compiled once.
	run "go vet ($module)" in_module "$module" env GOGC=400 "$GO" vet $compiled ${race:+"$arithmetic"} $packages
done

# Runs the tests of a module's packages: go_test MODULE FLAGS AND PACKAGES.
# Compilers and linkers have the memory to collect garbage less often. Programs
# under test have not, because some tests measure theirs.
go_test() {
	module=$1
	shift
	run "go test ($module)" tests "$module" env GOGC=400 "$GO" test -v $compiled ${race:+"$arithmetic"} -vet=off -shuffle=on -exec "env GOGC=${GOGC:-100}" -timeout 20m "$@"
}

others() {
	for module in $modules; do
		short= packages=./...
		case $module in
		.) continue ;;
		./bench | ./interop) short=-short ;; # in full: make bench, make interop
		./examples) short=-short packages=. ;; # the others by make examples: to link them with -race takes longer than to run them
		./examples/* | ./deploy | ./browser) continue ;; # make deploy, make browser
		esac
		go_test "$module" $short $packages
	done
}

if [ "${1:-}" != --check ]; then
	# Beside the others: all of them wait for servers more than they compute.
	others >"$out/others" 2>&1 &
	# The slowest packages begin first, and four run at once: they wait now and then.
	go_test . -p 4 -parallel 8 ./proxy ./cmd/lakebase . ./walls ./local ./internal/doctor ./...
	wait
	cat "$out/others"
	run "no token in the output" tokens_are_secret
fi

count=$(echo "$modules" | wc -l | tr -d ' ')
took=$(($(date +%s) - started))
if [ -s "$out/failed" ]; then
	printf '\nFAILED after %d s:\n' "$took"
	cat "$out/failed"
	exit 1
fi
printf '\nok: %d modules in %d s\n' "$count" "$took"
