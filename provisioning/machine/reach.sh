#!/bin/bash
# reach.sh CODE: prints the folder from which the daemons can run this code.
#
# That is CODE itself, unless their users cannot get there (a clone in /root): then a copy in /var/lib/qmailux-dev/code,
# made fresh each time, with /var/lib/qmailux-dev as the instance's home. No mode of a parent folder is ever changed.
set -euo pipefail
code="$(realpath "$1")"
cd "$(dirname "$0")"
. ./common.sh

HOME_OF_COPY=/var/lib/qmailux-dev
copy="$HOME_OF_COPY/code"

as_panel_user() { setpriv --reuid qmailux --regid qmailux --clear-groups --inh-caps=-all "$@"; }

can_reach() {
    local unreadable
    as_panel_user test -x "$code" || return 1
    # What begins with a dot is the tools' own (.git, .hypothesis, an editor's): no daemon reads it.
    unreadable="$(as_panel_user find "$code" -mindepth 1 \( -name '.*' -o -name var \) \
        -prune -o \( ! -readable -o -type d ! -executable \) -print -quit 2>&1)"
    [ -z "$unreadable" ]
}

refuse_foreign_copy() {
    local from
    from="$(cat "$copy/.copied-from" 2>/dev/null || true)"
    [ -z "$from" ] || [ "$from" = "$code" ] || [ ! -S "$HOME_OF_COPY/supervisor/supervisor.sock" ] ||
        die "$EXIT_HOME_UNUSABLE" "an instance of $from runs from $copy: end it first (make down in $from)"
}

refresh_copy() {
    copy_code "$code" "$copy"
    grep -qs '^QMAILUX_HOME=' "$copy/.env" || echo "QMAILUX_HOME=$HOME_OF_COPY" >>"$copy/.env"
}

if can_reach; then
    echo "$code"
    exit 0
fi
say "other users cannot get into $code: using $HOME_OF_COPY as home, with a copy of the code in $copy"
mkdir -p "$HOME_OF_COPY"
chmod 755 "$HOME_OF_COPY"
take_turns reach
refuse_foreign_copy
refresh_copy
# A venv in the clone cannot be run by the daemons: it gives way to a link, so that .venv/bin/... is right everywhere.
if [ -f "$code/.venv/pyvenv.cfg" ] && [ ! -L "$code/.venv" ]; then rm -rf "$code/.venv"; fi
ln -sfn "$copy/.venv" "$code/.venv"
echo "$copy"
