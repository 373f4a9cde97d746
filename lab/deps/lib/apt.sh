# What the scripts beside this folder share. POSIX sh; mysql.sh and consul.sh are bash.

deps=${ROOMSHIFT_DEPS:-${XDG_CACHE_HOME:-$HOME/.cache}/roomshift/deps}

# installs PACKAGE…: the system's packages, and nothing is started. $by_hand says what to do where there is no apt.
installs() {
	if ! command -v apt-get >/dev/null 2>&1; then
		echo "$(basename "$0"): no apt-get here; $by_hand" >&2
		exit 1
	fi
	run=
	if [ "$(id -u)" -ne 0 ]; then
		run=sudo
	fi
	# A package's service is started on installing unless policy-rc.d says 101. One that stands already is left as it is.
	policy=/usr/sbin/policy-rc.d
	if [ ! -e $policy ]; then
		printf '#!/bin/sh\nexit 101\n' | $run tee $policy >/dev/null
		$run chmod +x $policy
		trap '$run rm -f $policy' EXIT
	fi
	export DEBIAN_FRONTEND=noninteractive
	# The package lists of a fresh machine are empty or old: then they are fetched, once.
	apt_install "$@" || { $run apt-get -o DPkg::Lock::Timeout=300 update && apt_install "$@"; }
}

apt_install() {
	$run apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "$@"
}

# stays_off SERVICE: a package enables its service for the next boot; nobody asked for that.
stays_off() {
	if command -v systemctl >/dev/null 2>&1; then
		$run systemctl disable "$1" >/dev/null 2>&1 || true
	fi
}

# fail WHY, for what is fetched beside the system: $by_hand says what to do.
fail() {
	echo "$(basename "$0"): $1: $by_hand" >&2
	exit 1
}

# beside SUITE: makes $work, and beside_apt, an apt with a state of its own that knows SUITE of the mirror that this machine is set up
# for, signatures checked. The system's apt lists and dpkg state are not touched.
beside() {
	suite=$1
	command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || fail "this machine has no apt"
	codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	mirror=$(apt-get indextargets --format '$(SITE) $(RELEASE)' "Created-By: Packages" |
		awk -v release="$codename" '$2 == release {print $1; exit}')
	[ -n "$mirror" ] || fail "apt knows no mirror of $codename"
	mkdir -p "$deps/bin"
	work=$(mktemp -d "$deps/new.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/deb" "$work/tree"
	: > "$work/status"
	echo "deb $mirror $suite main" > "$work/sources.list"
	beside_apt update || fail "$suite can't be listed at this machine's mirror"
}

beside_apt() {
	apt-get -qq -o Dir::State="$work" -o Dir::State::Lists="$work/lists" -o Dir::State::status="$work/status" \
		-o Dir::Cache="$work/cache" -o Dir::Etc::sourcelist="$work/sources.list" -o Dir::Etc::sourceparts=/dev/null \
		-o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null -o APT::Install-Recommends=0 \
		-o APT::Sandbox::User= -o Acquire::Languages=none -o Debug::NoLocking=1 -o Acquire::Retries=3 "$@"
}
