#!/bin/bash
# `make uninstall`: ends QmaiLux on this machine and removes its units, code and settings. Mail and database stay.
set -euo pipefail
here="$(realpath "$(dirname "$0")")"
. "$here/common.sh"
. "$here/production.sh"

must_be_root make uninstall
take_turns production
if has_systemd && [ -e "$UNITS/qmailux.target" ]; then
    systemctl stop qmailux.target 'qmailux-*.service'
fi
if [ -e "$UNITS/qmailux.target" ]; then systemctl disable --quiet qmailux.target; fi
rm -f "$UNITS/qmailux.target" "$UNITS"/qmailux-*.service "$LOGROTATE" "$COMMAND"
if has_systemd; then systemctl daemon-reload; fi
if [ -e "$SETTINGS" ]; then
    mv "$SETTINGS" "$KEPT_SETTINGS"
    rmdir --ignore-fail-on-non-empty "$(dirname "$SETTINGS")"
fi
rm -rf "$CODE"
"$here/packages.sh" unmask

say "QmaiLux is removed from this machine; the next make install goes on where it ended. What stays:"
say "  mail:      $HOME_FOLDER/node/mail"
say "  database:  PostgreSQL database qmailux (or what DATABASE_URL in $KEPT_SETTINGS names)"
say "  the rest:  $HOME_FOLDER (secrets, settings, logs), the users qmailux and qmailux-vmail"
if [ -s "$MACHINE_STATE/installed-packages" ]; then
    say "  packages:  $(sort -u "$MACHINE_STATE/installed-packages" | tr '\n' ' ')"
    say "Their own services may start at the next boot; apt-get purge removes them."
fi
