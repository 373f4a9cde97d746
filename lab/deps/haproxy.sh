#!/bin/sh
# Installs the system's HAProxy, and starts nothing: tests start their own, on ports of their own. Does nothing if a
# haproxy is there already.
set -eu
. "$(dirname "$0")/lib/apt.sh"

if [ -n "${ROOMSHIFT_HAPROXY:-}" ] || [ -x "$deps/bin/haproxy" ] || command -v haproxy >/dev/null 2>&1 || [ -x /usr/sbin/haproxy ]; then
	exit 0
fi
by_hand="install HAProxy 2.4 or later, or set ROOMSHIFT_HAPROXY to its program"
installs haproxy
stays_off haproxy
