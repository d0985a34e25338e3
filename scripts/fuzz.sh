#!/bin/sh
# Runs each fuzz target for FUZZTIME (5s), one after the other: go test takes
# one at a time. Prints a line a target, and all that one says that fails. What
# it has found is in the package's testdata/fuzz then, to be committed with
# the fix.
set -eu
cd "$(dirname "$0")/.."
GO=${GO:-go}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
failed=
for file in $(grep -rl --include='*_test.go' '^func Fuzz' . | sort); do
	dir=$(dirname "$file")
	for target in $(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$file"); do
		# To make what is found smaller could take all the time.
		if (cd "$dir" && "$GO" test -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-5s}" -fuzzminimizetime 1s . </dev/null) >"$out/log" 2>&1; then
			printf '%-24s %s\n' "$target" "$(grep 'execs:' "$out/log" | tail -n 1 | sed 's/^fuzz: //')"
		elif grep -q 'context deadline exceeded' "$out/log" && ! grep -q 'Failing input' "$out/log"; then
			# Go before 1.27 may take the end of the time for a failure (go.dev/issue/75804).
			printf '%-24s stopped late\n' "$target"
		else
			printf '%-24s FAILED (%s)\n' "$target" "$file"
			cat "$out/log"
			failed="$failed $target"
		fi
	done
done
[ -z "$failed" ] || { printf '\nFAILED:%s\n' "$failed"; exit 1; }
