#!/bin/sh
# Vets, with their tests, the modules that are for other systems than Linux too.
set -eu
cd "$(dirname "$0")/.."
GO=${GO:-go}
failed=
for system in darwin windows; do
	printf '\n== go vet (%s)\n' "$system"
	GOOS=$system GOARCH=arm64 CGO_ENABLED=0 "$GO" vet ./... || failed="$failed $system"
done
[ -z "$failed" ] || { printf '\nFAILED:%s\n' "$failed"; exit 1; }
