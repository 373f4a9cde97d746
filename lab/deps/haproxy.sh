#!/bin/sh
# Installs the system's HAProxy, and starts nothing: tests start their own, on ports of their own. Does nothing if a
# haproxy is there already.
set -eu

deps=${ROOMSHIFT_DEPS:-${XDG_CACHE_HOME:-$HOME/.cache}/roomshift/deps}
if [ -n "${ROOMSHIFT_HAPROXY:-}" ] || [ -x "$deps/bin/haproxy" ] || command -v haproxy >/dev/null 2>&1 || [ -x /usr/sbin/haproxy ]; then
	exit 0
fi
if ! command -v apt-get >/dev/null 2>&1; then
	echo "haproxy.sh: no apt-get here; install HAProxy 2.4 or later, or set ROOMSHIFT_HAPROXY to its program" >&2
	exit 1
fi
run=
if [ "$(id -u)" -ne 0 ]; then
	run=sudo
fi

# The package's service is started on installing unless policy-rc.d says 101. One that stands already is left as it is.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
	printf '#!/bin/sh\nexit 101\n' | $run tee $policy >/dev/null
	$run chmod +x $policy
	trap '$run rm -f $policy' EXIT
fi

export DEBIAN_FRONTEND=noninteractive
install() {
	$run apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends haproxy
}
# The package lists of a fresh machine are empty or old: then they are fetched, once.
install || { $run apt-get -o DPkg::Lock::Timeout=300 update && install; }
# The package enables its service for the next boot; nobody asked for that.
if command -v systemctl >/dev/null 2>&1; then
	$run systemctl disable haproxy >/dev/null 2>&1 || true
fi
