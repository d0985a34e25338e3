#!/bin/sh
# Looks at the status pages in Chromium, and installs that where it is missing.
set -eu
cd "$(dirname "$0")"
GO=${GO:-go}
if ! command -v chromium >/dev/null && ! command -v google-chrome >/dev/null; then
	if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
		echo 'missing: chromium: install this package of Debian, or its like' >&2
		exit 1
	fi
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium fonts-dejavu-core >/dev/null
fi
"$GO" vet ./...
"$GO" test -count=1 -vet=off -timeout 10m . -args -pictures="${PICTURES:-false}"
