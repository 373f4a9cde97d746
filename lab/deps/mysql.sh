#!/bin/bash
# Puts MySQL's mysqld where roomshift's tests and lab find it, beside the system's MariaDB (whose own mysqld is MariaDB's). Does
# nothing when there is one: $ROOMSHIFT_MYSQLD, the deps folder's, or one in PATH that is MySQL's is taken as it is.
#
# Debian has MySQL in sid only: it is fetched from there, beside the system, with all libraries that it needs, the C library among
# them; it runs by that library's own loader.
set -euo pipefail
. "$(dirname "$0")/lib/apt.sh"

tree=$deps/mysql # where the tree ends up: wrappers have its path
machine=$(uname -m)

# wrap PROGRAM FILE writes what runs a program of a tree by its own loader, in full: mysqld looks in PATH for the place of its files.
wrap() {
  local loader
  loader=$(cd "$tree" && find usr/lib -name 'ld-linux*.so.*' | head -n 1)
  printf '#!/bin/sh\nexec %s --inhibit-cache --argv0 %s --library-path %s %s "$@"\n' \
    "$tree/$loader" "$tree/$1" "$tree/usr/lib/$machine-linux-gnu" "$tree/$1" > "$2"
  chmod +x "$2"
}

# mysqlbinlog reads a server's changes: the lab's synchronization tasks need it. It comes with the server.
if [ -x "$tree/usr/bin/mysqlbinlog" ] && [ ! -x "$deps/bin/mysqlbinlog" ]; then
  wrap usr/bin/mysqlbinlog "$deps/bin/mysqlbinlog"
fi

for found in "${ROOMSHIFT_MYSQLD:-}" "$deps/bin/mysqld" "$(command -v mysqld || true)"; do
  if [ -n "$found" ] && version=$("$found" --no-defaults --version 2>/dev/null | head -n 1) && [[ $version == *Ver* && $version != *MariaDB* ]]; then
    echo "mysqld: $found ($version)"
    exit 0
  fi
done

by_hand="install MySQL 8.4 or later, or set ROOMSHIFT_MYSQLD to its mysqld"
beside sid
# The server needs no perl: only its scripts do.
packages=$(beside_apt -s install mysql-server-core | awk '/^Inst/ {print $2}' |
  grep -vE '^(perl|perl-base|perl-modules.*|libperl.*|libgdbm.*|libdb5.*)$') || fail "sid's packages don't fit together today"
# shellcheck disable=SC2086 # one word for each package
(cd "$work/deb" && beside_apt download $packages) || fail "sid's packages can't be had from this machine's mirror"
for deb in "$work"/deb/*.deb; do
  dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$work/tree" --exclude='./usr/share/doc' --exclude='./usr/share/man' \
    --exclude='./usr/share/locale' --exclude="./usr/lib/$machine-linux-gnu/gconv"
done

[ -n "$(find "$work/tree/usr/lib" -name 'ld-linux*.so.*')" ] && [ -x "$work/tree/usr/sbin/mysqld" ] || fail "sid's packages have another form than expected"
rm -rf "$tree"
mv "$work/tree" "$tree"
wrap usr/sbin/mysqld "$work/mysqld"
wrap usr/bin/mysqlbinlog "$work/mysqlbinlog"
"$work/mysqld" --no-defaults --version >/dev/null || fail "sid's program doesn't run here"
mv "$work/mysqlbinlog" "$deps/bin/mysqlbinlog"
mv "$work/mysqld" "$deps/bin/mysqld" # one rename: nobody finds half a program
echo "mysqld: $deps/bin/mysqld ($("$deps/bin/mysqld" --no-defaults --version | head -n 1))"
