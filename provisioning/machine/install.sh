#!/bin/bash
# `make install`: a production server of this machine; again: the upgrade to this checkout's state. Mail goes on meanwhile.
#
#   QMAILUX_HOSTNAME=mail.example.org make install      (default: the machine's full name)
#
# Code in /opt/qmailux, settings in /etc/qmailux/qmailux.env (made once, yours from then on), everything else in
# /var/lib/qmailux; units qmailux-*.service. Without a running systemd (an image being built) all but the start is done.
set -euo pipefail
clone="$(realpath "$(dirname "$0")/../..")"
here="$clone/provisioning/machine"
. "$here/common.sh"
. "$here/production.sh"
EXIT_PORT_TAKEN=4

main() {
    must_be_root make install
    umask 022
    command -v systemctl >/dev/null || die "$EXIT_PROGRAM_MISSING" "make install needs systemd (make up does not)"
    [ "$clone" != "$CODE" ] || die "$EXIT_FAILED" "run make install in a clone elsewhere: $CODE is what it writes"
    local name
    name="$(host_name)"
    require_free_ports
    "$here/packages.sh" install "$clone/debian-packages.txt" "$clone/debian-packages-production.txt"
    require_free_ports # again: only now is there certainly an ss to ask
    "$here/users.sh"
    take_turns production
    write_settings "$name"
    install_code
    prepare_database
    install_units
    prepare_instance
    start_or_refresh
    say "installed; settings: $SETTINGS, data: $HOME_FOLDER, commands: qmailux COMMAND (as root)"
}

# The name other servers see: from the settings, the environment or the machine.
host_name() {
    local name
    name="$(sed -n 's/^QMAILUX_HOSTNAME=//p' "$SETTINGS" "$KEPT_SETTINGS" 2>/dev/null | tail -n 1 | tr -d "\"'" || true)"
    name="${name:-${QMAILUX_HOSTNAME:-$(hostname -f 2>/dev/null || true)}}"
    case "$name" in
        localhost.*) ;;
        *.*) echo "$name" && return 0 ;;
    esac
    die "$EXIT_HOME_UNUSABLE" "this machine has no full host name: QMAILUX_HOSTNAME=mail.example.org make install"
}

# A port that somebody else holds is found before anything is changed. Our own daemons hold theirs at an upgrade.
require_free_ports() {
    ! is_installed_before || return 0
    local port line
    for port in 25 465 587 110 143 993 995 4190 80 443; do
        line="$(ss -Hltnp "sport = :$port" 2>/dev/null | head -n 1 || true)"
        [ -z "$line" ] || die "$EXIT_PORT_TAKEN" "port $port is taken$(holder "$line"):" \
            "end what listens there for good (systemctl disable --now UNIT), then make install"
    done
}

is_installed_before() { [ -e "$UNITS/qmailux.target" ]; }

holder() { sed -n 's/.*users:(("\([^"]*\)",pid=\([0-9]*\).*/ by \1, pid \2/p' <<<"$1"; }

# Made once; from then on it is the operator's.
write_settings() {
    [ ! -e "$SETTINGS" ] || return 0
    mkdir -p "$(dirname "$SETTINGS")" "$HOME_FOLDER"
    if [ -e "$KEPT_SETTINGS" ]; then
        mv "$KEPT_SETTINGS" "$SETTINGS"
        return 0
    fi
    cat >"$SETTINGS.new" <<SETTINGS
# Settings of this QmaiLux; all of them are described in $CODE/.env.example. After a change: make install, or
# systemctl restart qmailux.target and qmailux apply --all.
QMAILUX_HOME=$HOME_FOLDER
QMAILUX_HOSTNAME=$1
QMAILUX_BIND="*"
QMAILUX_PORT_OFFSET=0
# PostgreSQL of this machine over its socket: the system user is the database's user, so there is no password.
DATABASE_URL=postgresql://%2Fvar%2Frun%2Fpostgresql/qmailux
SETTINGS
    chgrp qmailux "$SETTINGS.new"
    chmod 640 "$SETTINGS.new"
    mv "$SETTINGS.new" "$SETTINGS"
}

install_code() {
    # The packages first: if they cannot be had, the code that runs stays as it is.
    mkdir -p "$CODE"
    "$here/python.sh" "$clone" requirements.txt "$CODE/.venv"
    copy_code "$clone" "$CODE"
    # The environment of a developer's checkout is not the server's.
    rm -f "$CODE/.env"
    compile_texts "$CODE"
    install -m 755 "$here/qmailux.command" "$COMMAND"
}

# A role for each system user that connects, so that "peer" lets them in and pg_hba.conf stays as it is. Root's role
# acts as qmailux, which owns everything.
prepare_database() {
    grep -q '^DATABASE_URL=.*%2Fvar%2Frun%2Fpostgresql/qmailux' "$SETTINGS" || return 0
    "$here/packages.sh" unmask postgresql
    start_postgresql
    (cd / && setpriv --reuid postgres --regid postgres --init-groups psql -X -q -v ON_ERROR_STOP=1 -d postgres) \
        >&2 <<'SQL' ||
SET client_min_messages = warning;
SELECT 'CREATE ROLE qmailux LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'qmailux') \gexec
SELECT 'CREATE ROLE root LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'root') \gexec
SELECT 'CREATE DATABASE qmailux OWNER qmailux ENCODING ''UTF8'' TEMPLATE template0 LC_COLLATE ''C.UTF-8'' LC_CTYPE ''C.UTF-8'''
    WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'qmailux') \gexec
GRANT qmailux TO root;
ALTER ROLE root IN DATABASE qmailux SET role = 'qmailux';
SQL
        die "$EXIT_FAILED" "the database could not be prepared; see above"
}

start_postgresql() {
    if has_systemd; then
        systemctl enable --quiet --now postgresql.service
    else
        start_clusters_quietly
    fi
    local try
    for try in $(seq 100); do
        ! pg_isready -q -h /var/run/postgresql || return 0
        sleep 0.1
    done
    die "$EXIT_FAILED" "PostgreSQL does not answer on /var/run/postgresql after 10 s ($try tries): pg_lsclusters tells more"
}

# For an image that is being built: on the socket only, since the machine that builds it may have one on the port.
start_clusters_quietly() {
    local version cluster rest
    pg_lsclusters --no-header | while read -r version cluster rest; do
        [[ "$rest" == *down* ]] || continue
        pg_ctlcluster --skip-systemctl-redirect -o "-c listen_addresses=" "$version" "$cluster" start >&2 </dev/null
    done
}

# Files first, then one reload of systemd; what an older version had and this one has not goes.
install_units() {
    local unit
    mkdir -p "$UNITS"
    for unit in "$UNITS"/qmailux-*.service; do
        [ ! -e "$unit" ] || [ -e "$here/units/$(basename "$unit")" ] || remove_unit "$unit"
    done
    for unit in "$here"/units/*; do
        if cmp -s "$unit" "$UNITS/$(basename "$unit")"; then continue; fi
        # Only what is running and changed is restarted at an upgrade.
        changed_units+=("$(basename "$unit")")
        install -m 644 "$unit" "$UNITS/"
    done
    install -m 644 "$here/qmailux.logrotate" "$LOGROTATE"
    if has_systemd; then systemctl daemon-reload; fi
    systemctl enable --quiet qmailux.target
}
changed_units=()

remove_unit() {
    if has_systemd; then systemctl stop "$(basename "$1")"; fi
    rm -f "$1"
}

prepare_instance() {
    QMAILUX_SECRET_KEY=not-used "$COMMAND" stack prepare
    "$COMMAND" migrate -v 0
    "$COMMAND" migrate -v 0 --database logs
    "$COMMAND" collectstatic --noinput -v 0
    "$COMMAND" setup
    whatever_can_be "$COMMAND" apply --all
}

# The control plane takes up the new code; the mail plane is not touched unless a unit of it changed: apply has reloaded
# what has new settings.
start_or_refresh() {
    if ! has_systemd; then
        say "systemd does not run here: everything is in place and starts with the machine"
        return 0
    fi
    systemctl try-restart qmailux-{web,worker,node-worker,beat,learner,logs}.service
    local unit
    for unit in "${changed_units[@]}"; do
        case "$unit" in *.service) systemctl try-restart "$unit" ;; esac
    done
    systemctl start qmailux.target
    local found try
    for try in $(seq 15); do # systemd does not wait until they listen
        if found="$("$COMMAND" doctor 2>&1)"; then return 0; fi
        sleep 1
    done
    printf '%s\n' "$found" >&2
    say "doctor found something after $try tries; see above"
}

main "$@"
