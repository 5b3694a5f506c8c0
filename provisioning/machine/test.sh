#!/bin/bash
# `make test`: installs what the tests need, then runs all of them; the last line is pytest's own.
#
#   test.sh [PYTEST ARGUMENT...]      without arguments: everything but tests/bench, on SQLite and on PostgreSQL
set -euo pipefail
clone="$(realpath "$(dirname "$0")/../..")"
cd "$(dirname "$0")"
. ./common.sh

must_be_root make test
umask 022
# An instance in the environment is not the tests' business: each test makes its own.
for name in $(compgen -e QMAILUX_) DATABASE_URL; do unset "$name"; done
./packages.sh install "$clone/debian-packages.txt" "$clone/debian-packages-test.txt"
./users.sh
code="$(./reach.sh "$clone")"
./python.sh "$code" requirements-dev.txt
cd "$code"
compile_texts "$code"

export QMAILUX_SECRET_KEY="${QMAILUX_SECRET_KEY:-only-for-tests}" PYTHONDONTWRITEBYTECODE=1
if [ $# -gt 0 ]; then exec .venv/bin/python -m pytest "$@"; fi

# Tests marked "machine" touch the machine as a whole and run one after another, by themselves.
# Whole files side by side: what a file starts for all of its tests is started once.
side_by_side=(-q -n auto --dist loadfile --ignore tests/bench -m "not machine")
one_by_one=(-q --ignore tests/bench -m machine)
on_postgres=(-q -n auto --dist loadfile --ignore tests/bench)
result=0
if [ -d tests/db ]; then
    say "tests/db on PostgreSQL"
    provisioning/machine/with_postgres.sh .venv/bin/python -m pytest "${on_postgres[@]}" tests/db || result=$?
fi
say "everything on SQLite"
.venv/bin/python -m pytest "${side_by_side[@]}" tests || result=$?
say "what takes the whole machine"
.venv/bin/python -m pytest "${one_by_one[@]}" tests || result=$?
exit "$result"
