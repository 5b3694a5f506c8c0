#!/bin/bash
# Installs the Debian packages of the lists that are absent, and asks nothing.
#
#   packages.sh install LIST...     packages.sh unmask [UNIT-PREFIX...]
#
# A list holds a package a line and its reason. What is on the machine already is not touched: if apt would remove
# a package, or upgrade one whose daemon somebody uses, we stop and name it. Units of packages that we bring in are
# masked first, so that none takes a port of ours (now or at the next boot), unless the line says "units: keep".
set -euo pipefail
# shellcheck source=common.sh
. "$(dirname "$0")/common.sh"

MASKED="$MACHINE_STATE/masked-units"
UNMASKED="$MACHINE_STATE/unmasked-units" # by an uninstall: the next installation masks them again
UNIT_FOLDER=/etc/systemd/system
POLICY=/usr/sbin/policy-rc.d
export LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive DEBIAN_PRIORITY=critical
export APT_LISTCHANGES_FRONTEND=none NEEDRESTART_SUSPEND=1 UCF_FORCE_CONFFOLD=1

work=
policy_is_ours=
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

clean_up() {
    [ -z "$policy_is_ours" ] || rm -f "$POLICY"
    [ -z "$work" ] || rm -rf "$work"
}

main() {
    local command="${1:-}"
    shift || true
    case "$command" in
        install) install_missing "$@" ;;
        unmask) unmask "$@" ;;
        *) die 2 "usage: packages.sh install LIST... | unmask [UNIT-PREFIX...]" ;;
    esac
}

install_missing() {
    local missing
    mask_again
    missing="$(listed "$@" | while read -r name; do is_installed "$name" || echo "$name"; done)"
    [ -n "$missing" ] || return 0
    must_be_root make up
    command -v apt-get >/dev/null || die "$EXIT_PROGRAM_MISSING" "there is no apt-get: QmaiLux runs on Debian 12"
    take_turns packages
    work="$(mktemp -d /var/tmp/qmailux-packages.XXXXXX)"
    chmod 755 "$work"
    mkdir -p "$work/archives/partial"
    # shellcheck disable=SC2086 # package names hold no blanks
    set -- "$@" -- $missing
    fetch_and_install "$@"
}

# fetch_and_install LIST... -- PACKAGE...
fetch_and_install() {
    local lists=()
    while [ "$1" != -- ]; do
        lists+=("$1")
        shift
    done
    shift
    say "installing Debian packages: $*"
    know_candidates "$@"
    simulate "$@"
    download "$@"
    mask_units_of_downloaded "$(kept "${lists[@]}")" "$@"
    forbid_starting
    answer_postfix
    answer_roundcube
    quiet_apt install --no-remove "$@" || die "$EXIT_PROGRAM_MISSING" "apt could not install the packages; see above"
    tell_systemd
    local name
    for name in "$@"; do
        is_installed "$name" || die "$EXIT_PROGRAM_MISSING" "the Debian package $name did not get installed"
        echo "$name" >>"$MACHINE_STATE/installed-packages"
    done
}

listed() { sed -e 's/#.*//' -e 's/[[:space:]]//g' -e '/^$/d' "$@"; }

# Packages whose line asks that their units stay.
kept() { sed -n -e 's/^\([a-z0-9][a-z0-9.+-]*\)[[:space:]].*#.*units: keep.*/\1/p' "$@" | tr '\n' ' '; }

is_installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

apt_options=(-y --no-install-recommends -o DPkg::Lock::Timeout=300 -o Acquire::Retries=2
    -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold)

# apt's chatter is shown only if it fails.
quiet_apt() {
    local archives=()
    [ -z "$work" ] || archives=(-o "Dir::Cache::archives=$work/archives")
    if ! apt-get "${apt_options[@]}" "${archives[@]}" "$@" </dev/null >"$work/apt.log" 2>&1; then
        cp "$work/apt.log" "$MACHINE_STATE/apt.log"
        grep -E -A 3 '^(E:|Err:|dpkg: error|.*returned error)' "$work/apt.log" | tail -n 25 >&2 || true
        say "all that apt said is in $MACHINE_STATE/apt.log"
        return 1
    fi
}

know_candidates() {
    local name
    for name in "$@"; do
        has_candidate "$name" && continue
        update_lists
        break
    done
    for name in "$@"; do
        has_candidate "$name" || die "$EXIT_PROGRAM_MISSING" \
            "apt does not know the package $name: is Debian 12 'main' in /etc/apt, and does the network work?"
    done
}

# No `| grep -q` here: it ends at the first hit, and pipefail takes the other side's SIGPIPE for a failure.
has_candidate() { [[ "$(apt-cache policy "$1" 2>/dev/null)" =~ Candidate:\ [^\(] ]]; }

lists_are_fresh=
update_lists() {
    [ -z "$lists_are_fresh" ] || return 0
    say "fetching apt's package lists"
    quiet_apt update || say "apt-get update failed: going on with the lists this machine has"
    lists_are_fresh=1
}

simulate() {
    apt-get -s "${apt_options[@]}" install "$@" >"$work/plan" 2>&1 || {
        tail -n 25 "$work/plan" >&2
        die "$EXIT_PROGRAM_MISSING" "apt cannot install the packages on this machine; see above"
    }
    local removed upgraded
    removed="$(sed -n 's/^Remv \([^ ]*\).*/\1/p' "$work/plan" | sort -u | tr '\n' ' ')"
    [ -z "$removed" ] || die "$EXIT_FAILED" "stopped, nothing was changed: apt would remove ${removed% }"
    upgraded="$(sed -n 's/^Inst \([^ ]*\) \[.*/\1/p' "$work/plan" | sort -u)"
    local name
    for name in $upgraded; do
        ! has_units_installed "$name" || die "$EXIT_FAILED" "stopped, nothing was changed: apt would upgrade $name," \
            "which was on this machine before; upgrade it yourself first: apt-get install --only-upgrade $name"
    done
    [ -z "$upgraded" ] || say "apt also upgrades: $(echo "$upgraded" | tr '\n' ' ')"
}

has_units_installed() { [ -n "$(dpkg-query -L "$1" 2>/dev/null | grep -E '/systemd/system/[^/]+\.(service|socket)$')" ]; }

download() {
    quiet_apt install --download-only "$@" && return 0
    update_lists # what the lists named may have been replaced in the archive
    rm -f "$work"/archives/*.deb
    quiet_apt install --download-only "$@" || die "$EXIT_PROGRAM_MISSING" \
        "the packages could not be downloaded: connect this machine to a Debian mirror, or install them yourself: $*"
}

# mask_units_of_downloaded "KEPT PACKAGES" PACKAGE...: units of these and of packages from the same sources (nginx.service
# lies in nginx-common), but not of everything they pull in: dbus or logrotate must live.
mask_units_of_downloaded() {
    local kept=" $1 " deb name source
    shift
    declare -A source_of masked_source
    for deb in "$work"/archives/*.deb; do
        [ -e "$deb" ] || continue
        name="$(dpkg-deb -f "$deb" Package)"
        source="$(dpkg-deb -f "$deb" Source | sed 's/ .*//')"
        source_of[$deb]="${source:-$name}"
        case " $* " in *" $name "*) masked_source[${source_of[$deb]}]=1 ;; esac
    done
    for deb in "${!source_of[@]}"; do
        name="$(dpkg-deb -f "$deb" Package)"
        case "$kept" in *" $name "*) unset "masked_source[${source_of[$deb]}]" ;; esac
    done
    for deb in "${!source_of[@]}"; do
        [ -z "${masked_source[${source_of[$deb]}]:-}" ] || mask_units_in "$deb"
    done
}

mask_units_in() {
    local unit
    mkdir -p "$UNIT_FOLDER" "$MACHINE_STATE"
    dpkg-deb --fsys-tarfile "$1" | tar -t |
        sed -n -E 's#^\./(usr/)?lib/systemd/system/([^/]+\.(service|socket|timer|path))$#\2#p' | sort -u |
        while read -r unit; do mask "$unit"; done
}

mask() {
    if [ -e "$UNIT_FOLDER/$1" ] || [ -L "$UNIT_FOLDER/$1" ]; then
        say "$UNIT_FOLDER/$1 exists and stays as it is"
        return 0
    fi
    # The list first: a crash in between leaves a line too many, which unmask skips.
    echo "$1" >>"$MASKED"
    ln -s /dev/null "$UNIT_FOLDER/$1"
}

# What we brought in and an uninstall gave back, unless somebody has taken it into use.
mask_again() {
    [ -s "$UNMASKED" ] && [ "$(id -u)" = 0 ] || return 0
    local unit
    while read -r unit; do
        if [ -d /run/systemd/system ] && systemctl is-active --quiet "$unit"; then continue; fi
        mask "$unit"
    done <"$UNMASKED"
    rm -f "$UNMASKED"
    tell_systemd
}

forbid_starting() {
    [ -e "$POLICY" ] && return 0
    policy_is_ours=1
    printf '#!/bin/sh\n# made by qmailux for the time of an installation\nexit 101\n' >"$POLICY"
    chmod 755 "$POLICY"
}

# Our Postfix has a configuration of its own: a fresh package gets none, so that it never serves by accident.
answer_postfix() {
    is_installed postfix && return 0
    command -v debconf-set-selections >/dev/null || return 0
    echo "postfix postfix/main_mailer_type select No configuration" | debconf-set-selections
}

# Ours has a database and a web server of the instance's own: a fresh package makes none.
answer_roundcube() {
    is_installed roundcube-core && return 0
    command -v debconf-set-selections >/dev/null || return 0
    debconf-set-selections <<ANSWERS
roundcube-core roundcube/dbconfig-install boolean false
roundcube-core roundcube/reconfigure-webserver multiselect
ANSWERS
}

tell_systemd() { [ ! -d /run/systemd/system ] || systemctl daemon-reload; }

# unmask [PREFIX...]: those of the units that we masked that begin so; without a prefix all, until the next installation.
unmask() {
    [ -s "$MASKED" ] || return 0
    must_be_root make uninstall
    take_turns packages
    local unit
    sort -u "$MASKED" | while read -r unit; do
        begins_with_one_of "$unit" "$@" || continue
        [ "$(readlink "$UNIT_FOLDER/$unit" 2>/dev/null)" != /dev/null ] || rm -f "$UNIT_FOLDER/$unit"
        echo "$unit"
    done >"$MASKED.done"
    sort -u "$MASKED" | { grep -vxFf "$MASKED.done" || true; } >"$MASKED.new"
    mv "$MASKED.new" "$MASKED"
    [ $# -gt 0 ] || cat "$MASKED.done" >>"$UNMASKED"
    rm -f "$MASKED.done"
    tell_systemd
}

begins_with_one_of() {
    local name="$1" prefix
    shift
    [ $# -gt 0 ] || return 0
    for prefix in "$@"; do
        case "$name" in "$prefix"*) return 0 ;; esac
    done
    return 1
}

main "$@"
