#!/bin/sh
# Looks for known vulnerabilities in what each module uses, and in the Go that
# builds it. The database is fetched from vuln.go.dev, or is a copy of it:
# VULNDB=file:///path. tools.mod says which govulncheck it is.
set -eu
cd "$(dirname "$0")/.."
GO=${GO:-go}
failed=
case ${VULNDB:-} in
file://*) # in an empty folder govulncheck finds no vulnerability
	[ -f "${VULNDB#file://}/index/db.json" ] || { echo "vuln: $VULNDB is no vulnerability database" >&2; exit 1; } ;;
esac
for module in $(find . -name go.mod -not -path '*/node_modules/*' -exec dirname {} \; | sort); do
	printf '\n== govulncheck (%s)\n' "$module"
	"$GO" tool -modfile=scripts/tools.mod govulncheck ${VULNDB:+-db "$VULNDB"} -C "$module" -test ./... || failed="$failed $module"
done
[ -z "$failed" ] || { printf '\nFAILED:%s\n' "$failed"; exit 1; }
