#!/bin/sh
# Vets and tests each example, without the race detector: they are small, and their
# libraries are many and slow to compile with it. Prints a table at the end, and before it
# the output of what failed.
set -eu
cd "$(dirname "$0")"
GO=${GO:-go}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
failed=0
for module in $(find . -name go.mod -not -path '*/node_modules/*' -exec dirname {} \; | sort); do
	(
		cd "$module"
		"$GO" list -f "{{.ImportPath}}	${module#.}{{slice .ImportPath (len .Module.Path)}}	{{.Doc}}" ./... >>"$out/shows"
		"$GO" vet ./... && "$GO" test -count=1 -vet=off -timeout 15m ./... >>"$out/results" 2>&1
	) || failed=1
done
[ $failed = 0 ] || grep -v '^ok' "$out/results" || true
awk -F '\t' '
	BEGIN { row = "%-18s  %-88s  %-6s  %7s\n"; printf "\n" row, "EXAMPLE", "SHOWS", "RESULT", "TIME" }
	NR == FNR { name[$1] = $2 == "" ? "." : substr($2, 2); sub(/^(Command|Package) [a-z]+ /, "", $3); shows[$1] = $3; next }
	/^(ok|FAIL) *\t/ && $2 in name { printf row, name[$2], shows[$2], $1 == "FAIL" ? "FAILED" : "ok", $3 }
' "$out/shows" "$out/results"
exit $failed
