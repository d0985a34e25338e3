#!/bin/sh
# Checks each file here by the program that reads it, and installs those that are missing.
set -eu
cd "$(dirname "$0")"
GO=${GO:-go}
missing=
command -v promtool >/dev/null || missing="$missing prometheus"
command -v systemd-analyze >/dev/null || missing="$missing systemd"
command -v openssl >/dev/null || missing="$missing openssl"
if [ -n "$missing" ]; then
	if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
		echo "missing:$missing: install these packages of Debian, or their like" >&2
		exit 1
	fi
	# Not started where a service manager runs: only the tools are wanted.
	apt-get update -qq
	RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $missing >/dev/null
fi
"$GO" vet ./...
"$GO" test -count=1 -vet=off -timeout 15m ./...
