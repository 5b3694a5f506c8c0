#!/bin/bash
# `make up`: from a fresh Debian machine to a running instance. Twice in a row is harmless; all data is kept.
#
#   up.sh [--detach]      environment: QMAILUX_* and DATABASE_URL, see .env.example
set -euo pipefail
clone="$(realpath "$(dirname "$0")/../..")"
cd "$(dirname "$0")"
. ./common.sh

# Before anything is installed: what the instance could not live with.
check_home() {
    local home="${QMAILUX_HOME:-$clone/var}"
    case "$home" in
        /*) ;;
        *) die "$EXIT_HOME_UNUSABLE" "QMAILUX_HOME must be an absolute path, not $home" ;;
    esac
    [ "$(printf %s "$home" | LC_ALL=C wc -c)" -le 50 ] || [ ! -x "$clone" ] || die "$EXIT_HOME_UNUSABLE" \
        "the home $home has more than 50 bytes (unix sockets lie below it): set a shorter QMAILUX_HOME"
}

manage() { .venv/bin/python manage.py "$@"; }

compile_texts() {
    [ -n "$(find . -path ./.venv -prune -o -name '*.po' -print -quit)" ] || return 0
    .venv/bin/python -m django compilemessages -v 0 --ignore .venv --ignore var
}

must_be_root make up
umask 022
check_home
./packages.sh install "$clone/debian-packages.txt"
./users.sh
code="$(./reach.sh "$clone")"
[ "$code" = "$clone" ] || export QMAILUX_HOME="${QMAILUX_HOME:-/var/lib/qmailux-dev}"
./python.sh "$code"
cd "$code"
# The key does not exist yet at the first start: `stack prepare` makes it.
QMAILUX_SECRET_KEY=not-used manage stack prepare
manage migrate -v 0
compile_texts
manage collectstatic --noinput -v 0
manage setup
manage apply --all
exec .venv/bin/python manage.py stack up "$@"
