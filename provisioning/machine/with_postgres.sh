#!/bin/bash
# with_postgres.sh COMMAND...: runs COMMAND with DATABASE_URL naming a PostgreSQL of its own, which ends with it.
set -euo pipefail
folder="$(mktemp -d /tmp/qmailux-pg.XXXXXX)"
binaries="$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1)"
chown postgres "$folder"
chmod 755 "$folder"

as_postgres() { setpriv --reuid postgres --regid postgres --init-groups -- "$@"; }
trap 'as_postgres "$binaries/pg_ctl" -D "$folder/data" -m immediate -w stop >/dev/null 2>&1 || true; rm -rf "$folder"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

cd "$folder"
as_postgres "$binaries/initdb" -D "$folder/data" -U qmailux --auth=trust -E UTF8 --locale=C.UTF-8 --no-sync >/dev/null
# On a socket only; nothing to keep, so nothing to sync.
as_postgres "$binaries/pg_ctl" -D "$folder/data" -l "$folder/log" -w -o \
    "-c listen_addresses='' -c unix_socket_directories=$folder -c fsync=off -c synchronous_commit=off -c full_page_writes=off" \
    start >/dev/null
cd "$OLDPWD"
export DATABASE_URL="postgresql://qmailux@${folder//\//%2F}/postgres"
code=0
"$@" || code=$?
exit "$code"
