#!/bin/bash
# The system users of DESIGN 4: qmailux (panel, beat, ordinary workers), qmailux-vmail (owns the mail) and
# qmailux-webmail (the webmails, which get to nothing of the panel).
set -euo pipefail
cd "$(dirname "$0")"
. ./common.sh

must_be_root make up
take_turns users
for user in qmailux qmailux-vmail qmailux-webmail; do
    getent passwd "$user" >/dev/null ||
        adduser --quiet --system --group --no-create-home --home /nonexistent --shell /usr/sbin/nologin "$user"
done
