#!/bin/sh
# Installs the system's nginx, and starts nothing: the lab starts its own, on ports of its own. Does nothing if an nginx is there
# already.
set -eu
. "$(dirname "$0")/lib/apt.sh"

if [ -n "${ROOMSHIFT_NGINX:-}" ] || [ -x "$deps/bin/nginx" ] || PATH=$PATH:/usr/sbin:/usr/local/sbin command -v nginx >/dev/null 2>&1; then
	exit 0
fi
by_hand="install nginx 1.18 or later, or set ROOMSHIFT_NGINX to its program"
installs nginx-light
stays_off nginx
