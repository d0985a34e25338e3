#!/bin/sh
# Vets and tests each example, without the race detector: they are small, and their
# libraries are many and slow to compile with it. Installs the clients of other languages
# that are missing. Prints a table at the end, and before it the output of what failed.
set -eu
cd "$(dirname "$0")"
GO=${GO:-go}
sh ../interop/prepare.sh
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
failed=0
for module in $(find . -name go.mod -exec dirname {} \; | sort); do
	(
		cd "$module"
		"$GO" list -f "{{.ImportPath}}	${module#.}{{slice .ImportPath (len .Module.Path)}}	{{.Doc}}" ./... >>"$out/shows"
		"$GO" vet ./... && "$GO" test -v -count=1 -vet=off -timeout 15m ./... >>"$out/results" 2>&1
	) || failed=1
done
for page in clients/*/README.md; do
	result=
	! grep -q '^Not tried here' "$page" || result='not tried'
	printf 'TestClients/%s\t/%s\t%s\t%s\n' "$(basename "${page%/*}")" "${page%/*}" "$(sed -n '3s/\. .*/./;3p' "$page")" "$result" >>"$out/shows"
done
# The packages that failed, without what passed.
[ $failed = 0 ] || awk '/^(ok|FAIL|\?)[ \t]+[a-z].*[\/.]/ { if ($1 == "FAIL") printf "%s", block; block = ""; next }
	!/^ *(=== |--- PASS)/ { block = block $0 "\n" }' "$out/results"
awk -F '\t' '
	BEGIN { row = "%-22s  %-88.88s  %-9s  %7s\n"; printf "\n" row, "EXAMPLE", "SHOWS", "RESULT", "TIME" }
	NR == FNR {
		name[$1] = $2 == "" ? "." : substr($2, 2)
		sub(/^(Command|Package) [a-z]+ /, "", $3)
		shows[$1] = $3
		if ($4 != "") untried[$1] = $4
		next
	}
	/^(ok|FAIL) *\t/ && $2 in name { printf row, name[$2], shows[$2], $1 == "FAIL" ? "FAILED" : "ok", $3 }
	/^ *--- (PASS|FAIL): TestClients\// {
		split($0, word, /[ ():]+/)
		printf row, name[word[4]], shows[word[4]], word[3] == "PASS" ? "ok" : "FAILED", word[5]
	}
	END { for (one in untried) printf row, name[one], shows[one], untried[one], "" | "sort" }
' "$out/shows" "$out/results"
exit $failed
