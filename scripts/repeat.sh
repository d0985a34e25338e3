#!/bin/sh
# Runs the whole suite RUNS (20) times: with GOMAXPROCS 1, 2 and 8, with and
# without the race detector, in a new order each time, and every fifth time
# beside LOAD (2) loops that only use up processors. Prints a line a run, and
# what fails as it fails; keeps the output of failures in a folder of its own.
set -eu
cd "$(dirname "$0")/.."
GO=${GO:-go}
out=$(mktemp -d)
top=$PWD
loops=
trap 'kill $loops 2>/dev/null || true; rm -rf "$out"' EXIT
trap 'exit 130' INT TERM

# Compiles the tests of a kind (race or plain): a file a package, named after it.
compile() {
	flag=
	[ "$1" = plain ] || flag=-race
	mkdir -p "$out/$1"
	find . -name go.mod -not -path '*/node_modules/*' -exec dirname {} \; | while read -r module; do
		(cd "$module" && "$GO" list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.Dir}}{{end}}' ./...) | while read -r dir; do
			[ -z "$dir" ] || (cd "$dir" && "$GO" test -c $flag -o "$out/$1/$(echo "tests${dir#"$top"}" | tr / +)" .)
		done
	done
}

# Runs the tests of one package, in its folder as go test does.
cat >"$out/package" <<'EOF'
name=$(basename "$1")
dir=.$(echo "${name#tests}" | tr + /)
short=
case $dir in ./bench* | ./examples* | ./interop*) short=-test.short ;; esac # as in make test
cd "$dir"
log=$2/$name.log
began=$(date +%s)
if "$1" -test.v $short -test.shuffle=on -test.parallel "$parallel" -test.timeout 40m -test.paniconexit0 >"$log" 2>&1; then
	rm "$log"
	result=ok
else
	echo "  failed: $dir ($log)" >&2
	grep -E '^ *--- FAIL|^panic:|^WARNING: DATA RACE|^goleak:' "$log" | sed 's/^/    /' >&2
	result=failed
fi
echo "$(($(date +%s) - began)) $name $result"
EOF

for kind in race plain; do
	echo "compiling the tests ($kind)"
	compile $kind
done

(cd "$out/race" && ls -S) >"$out/order" # large ones take long
kept=$(mktemp -d "${TMPDIR:-/tmp}/lakebase-repeat.XXXXXX")
failures=0
printf '\n%4s  %-10s  %-5s  %-5s  %-8s  %-6s  %7s  %5s\n' run GOMAXPROCS tests loops packages failed seconds load
for run in $(seq "${RUNS:-20}"); do
	kind=race
	[ $((run % 2)) = 1 ] || kind=plain
	GOMAXPROCS=$(echo 8 1 2 | cut -d' ' -f$((run % 3 + 1)))
	parallel=$GOMAXPROCS # tests mostly wait, so that one at a time would take long
	[ "$parallel" -ge 4 ] || parallel=4
	export GOMAXPROCS parallel
	loops=
	if [ $((run % 5)) = 0 ]; then
		for _ in $(seq "${LOAD:-2}"); do
			(while :; do :; done) &
			loops="$loops $!"
		done
	fi
	mkdir "$kept/$run"
	began=$(date +%s)
	# Those first that took the longest the last time.
	sed "s|.*|$out/$kind/&|" "$out/order" | xargs -P 2 -I{} sh "$out/package" {} "$kept/$run" >"$out/results" || true
	packages=$(wc -l <"$out/order")
	failed=$((packages - $(grep -c ' ok$' "$out/results" || true))) # what has no result has failed too
	[ "$(wc -l <"$out/results")" -lt "$packages" ] || sort -nr "$out/results" | cut -d' ' -f2 >"$out/order"
	load=$(uptime | sed 's/.*average[s]*: *//; s/[, ].*//')
	kill $loops 2>/dev/null || true
	failures=$((failures + (failed > 0)))
	printf '%4d  %-10s  %-5s  %-5s  %-8s  %-6s  %7d  %5s\n' "$run" "$GOMAXPROCS" $kind "$(echo $loops | wc -w | tr -d ' ')" \
		"$packages" "$failed" $(($(date +%s) - began)) "$load"
done
[ $failures = 0 ] || { printf '\nFAILED: %d of %d runs; see %s\n' $failures "${RUNS:-20}" "$kept"; exit 1; }
rm -rf "$kept"
printf '\nok: %d runs\n' "${RUNS:-20}"
