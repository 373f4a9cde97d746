#!/bin/sh
# Installs the system's Prometheus, and starts nothing: the lab starts its own, on ports of its own. Does nothing if a
# prometheus is there already.
set -eu
. "$(dirname "$0")/lib/apt.sh"

if [ -n "${ROOMSHIFT_PROMETHEUS:-}" ] || [ -x "$deps/bin/prometheus" ] || command -v prometheus >/dev/null 2>&1; then
	exit 0
fi
by_hand="install Prometheus 2.40 or later, or set ROOMSHIFT_PROMETHEUS to its program"
installs prometheus
stays_off prometheus
