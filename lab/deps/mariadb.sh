#!/bin/sh
# Installs MariaDB's server and client programs, and nothing else: the full package would make a system data folder and may
# start a service, which roomshift's lab doesn't need. Does nothing when mariadbd is there.
set -eu

if command -v mariadbd >/dev/null 2>&1 || [ -x /usr/sbin/mariadbd ]; then
	exit 0
fi
if ! command -v apt-get >/dev/null 2>&1; then
	echo "mariadb.sh: no apt-get here; install MariaDB 10.6 or later, or set ROOMSHIFT_MARIADBD to its mariadbd" >&2
	exit 1
fi
run=
if [ "$(id -u)" -ne 0 ]; then
	run=sudo
fi
export DEBIAN_FRONTEND=noninteractive
install() {
	$run apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends mariadb-server-core mariadb-client-core
}
# The package lists of a fresh machine are empty or old: then they are fetched, once.
install || { $run apt-get -o DPkg::Lock::Timeout=300 update && install; }
