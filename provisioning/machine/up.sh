#!/bin/bash
# `make up`: from a fresh Debian machine to a running instance. Twice in a row is harmless; all data is kept.
#
#   up.sh [--detach]      environment: QMAILUX_* and DATABASE_URL, see .env.example
set -euo pipefail
clone="$(realpath "$(dirname "$0")/../..")"
cd "$(dirname "$0")"
. ./common.sh

# What the instance could not live with, said before the daemons would say it worse.
check_home() {
    case "$1" in
        /*) ;;
        *) die "$EXIT_HOME_UNUSABLE" "QMAILUX_HOME must be an absolute path, not $1" ;;
    esac
    [ "$(printf %s "$1" | LC_ALL=C wc -c)" -le 50 ] || die "$EXIT_HOME_UNUSABLE" \
        "the home $1 has more than 50 bytes (unix sockets lie below it): set a shorter QMAILUX_HOME"
}

manage() { .venv/bin/python manage.py "$@"; }

must_be_root make up
umask 022
[ -z "${QMAILUX_HOME:-}" ] || check_home "$QMAILUX_HOME"
./packages.sh install "$clone/debian-packages.txt"
./users.sh
code="$(./reach.sh "$clone")"
[ "$code" = "$clone" ] || export QMAILUX_HOME="${QMAILUX_HOME:-/var/lib/qmailux-dev}"
check_home "${QMAILUX_HOME:-$code/var}"
./python.sh "$code"
cd "$code"
# The key does not exist yet at the first start: `stack prepare` makes it.
QMAILUX_SECRET_KEY=not-used manage stack prepare
manage migrate -v 0
manage migrate -v 0 --database logs
compile_texts "$code"
manage collectstatic --noinput -v 0
manage setup
whatever_can_be manage apply --all
exec .venv/bin/python manage.py stack up "$@"
