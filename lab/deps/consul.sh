#!/bin/bash
# Puts a consul program where roomshift's tests and lab find it. Does nothing when there is one: $ROOMSHIFT_CONSUL, the deps
# folder's, or one in PATH is taken as it is.
#
# Debian has had no consul package since bullseye (1.8.7, MPL). It is fetched with an apt state of its own, from the mirror
# that this machine is set up for, signatures checked; the system's apt lists and dpkg state are not touched.
set -euo pipefail

deps=${ROOMSHIFT_DEPS:-${XDG_CACHE_HOME:-$HOME/.cache}/roomshift/deps}

for found in "${ROOMSHIFT_CONSUL:-}" "$deps/bin/consul" "$(command -v consul || true)"; do
  if [ -n "$found" ] && version=$("$found" version 2>/dev/null | head -n 1); then
    echo "consul: $found ($version)"
    exit 0
  fi
done

fail() {
  echo "consul: $1: put a consul into PATH, or set ROOMSHIFT_CONSUL to its path" >&2
  exit 1
}

command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || fail "this machine has no apt"
codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
mirror=$(apt-get indextargets --format '$(SITE) $(RELEASE)' "Created-By: Packages" |
  awk -v release="$codename" '$2 == release {print $1; exit}')
[ -n "$mirror" ] || fail "apt knows no mirror of $codename"

mkdir -p "$deps/bin"
work=$(mktemp -d "$deps/consul.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/tree"
: > "$work/status"
echo "deb $mirror bullseye main" > "$work/sources.list"
apt=(apt-get -o Dir::State="$work" -o Dir::State::Lists="$work/lists" -o Dir::State::status="$work/status"
  -o Dir::Cache="$work/cache" -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=/dev/null
  -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null -o APT::Sandbox::User=
  -o Acquire::Languages=none -o Debug::NoLocking=1 -o Acquire::Retries=3)

"${apt[@]}" -qq update || fail "bullseye can't be listed at this machine's mirror"
(cd "$work" && "${apt[@]}" -qq download consul) || fail "bullseye's package can't be had from this machine's mirror"
dpkg-deb --fsys-tarfile "$work"/consul_*.deb | tar -x -C "$work/tree" ./usr/bin/consul
"$work/tree/usr/bin/consul" version >/dev/null || fail "bullseye's program doesn't run here"
mv "$work/tree/usr/bin/consul" "$deps/bin/consul" # one rename: nobody finds half a program
echo "consul: $deps/bin/consul ($("$deps/bin/consul" version | head -n 1))"
