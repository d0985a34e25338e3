#!/bin/sh
# Runs each fuzz target for a short while: go test takes one target at a time.
set -eu
cd "$(dirname "$0")/.."
GO=${GO:-go}
grep -rl --include='*_test.go' '^func Fuzz' . | sort | while read -r file; do
	sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$file" | while read -r target; do
		printf '\n== %s (%s)\n' "$target" "$file"
		(cd "$(dirname "$file")" && "$GO" test -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-10s}" . </dev/null)
	done
done
