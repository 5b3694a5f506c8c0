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

# A single file that nobody else may read (a cache, .env) is no reason: it would fail by name.
can_reach() { as_panel_user test -x "$code" -a -r "$code/manage.py" -a -r "$code/qmailux_site/settings.py"; }

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
# So that .venv/bin/... is right in the clone too; a venv that somebody made there stays.
if [ ! -e "$code/.venv" ] || [ -L "$code/.venv" ]; then ln -sfn "$copy/.venv" "$code/.venv"; fi
echo "$copy"
