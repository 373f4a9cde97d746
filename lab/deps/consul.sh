#!/bin/bash
# Puts a consul program where roomshift's tests and lab find it. Does nothing when there is one: $ROOMSHIFT_CONSUL, the deps
# folder's, or one in PATH is taken as it is.
#
# Debian has had no consul package since bullseye (1.8.7, MPL): it is fetched from there, beside the system.
set -euo pipefail
. "$(dirname "$0")/lib/apt.sh"

for found in "${ROOMSHIFT_CONSUL:-}" "$deps/bin/consul" "$(command -v consul || true)"; do
  if [ -n "$found" ] && version=$("$found" version 2>/dev/null | head -n 1); then
    echo "consul: $found ($version)"
    exit 0
  fi
done

by_hand="put a consul into PATH, or set ROOMSHIFT_CONSUL to its path"
beside bullseye
(cd "$work/deb" && beside_apt download consul) || fail "bullseye's package can't be had from this machine's mirror"
dpkg-deb --fsys-tarfile "$work"/deb/consul_*.deb | tar -x -C "$work/tree" ./usr/bin/consul
"$work/tree/usr/bin/consul" version >/dev/null || fail "bullseye's program doesn't run here"
mv "$work/tree/usr/bin/consul" "$deps/bin/consul" # one rename: nobody finds half a program
echo "consul: $deps/bin/consul ($("$deps/bin/consul" version | head -n 1))"
