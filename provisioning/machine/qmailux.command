#!/bin/sh
# manage.py of the installed QmaiLux, with its settings: qmailux doctor
set -a
. /etc/qmailux/qmailux.env
set +a
cd /opt/qmailux || exit 1
exec .venv/bin/python manage.py "$@"
