#!/bin/sh
# Formats, vets and tests every module of the repository, and sums up.
# usage: test.sh [--check]    --check stops after gofmt and vet
set -eu
cd "$(dirname "$0")/.."
GO=${GO:-go}
failed=

# Says what is run, runs it, and remembers a failure without stopping.
run() {
	name=$1
	shift
	printf '\n== %s\n' "$name"
	"$@" || failed="$failed
  $name"
}

formatted() {
	unformatted=$(find . -name '*.go' -not -path '*/node_modules/*' -exec "$(command -v gofmt || echo "$($GO env GOROOT)/bin/gofmt")" -l {} +)
	[ -z "$unformatted" ] || { printf 'not formatted by gofmt:\n%s\n' "$unformatted"; return 1; }
}

in_module() {
	(cd "$1" && shift && "$@")
}

# The race detector needs cgo, and so a C compiler, on most systems.
race=-race
if ! command -v "$($GO env CC)" >/dev/null 2>&1; then
	race=
	echo "no C compiler ($($GO env CC)): testing without the race detector"
fi

started=$(date +%s)
modules=$(find . -name go.mod -not -path '*/node_modules/*' -exec dirname {} \; | sort)

run gofmt formatted
for module in $modules; do
	run "go vet ($module)" in_module "$module" "$GO" vet ./...
done
if [ "${1:-}" != --check ]; then
	for module in $modules; do
		short=
		case $module in ./bench | ./interop) short=-short ;; esac # in full: make bench, make interop
		run "go test ($module)" in_module "$module" "$GO" test $race $short -shuffle=on -timeout 5m ./...
	done
fi

count=$(echo "$modules" | wc -l | tr -d ' ')
took=$(($(date +%s) - started))
if [ -n "$failed" ]; then
	printf '\nFAILED after %d s:%s\n' "$took" "$failed"
	exit 1
fi
printf '\nok: %d modules in %d s\n' "$count" "$took"
