#!/bin/sh
# Installs MariaDB's server and client programs, and nothing else: the full package would make a system data folder and may
# start a service, which roomshift's lab doesn't need. Does nothing when mariadbd is there.
set -eu
. "$(dirname "$0")/lib/apt.sh"

if command -v mariadbd >/dev/null 2>&1 || [ -x /usr/sbin/mariadbd ]; then
	exit 0
fi
by_hand="install MariaDB 10.6 or later, or set ROOMSHIFT_MARIADBD to its mariadbd"
installs mariadb-server-core mariadb-client-core
