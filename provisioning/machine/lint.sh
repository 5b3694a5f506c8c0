#!/bin/bash
# `make lint`: everything is looked at, then the worst result counts.
set -uo pipefail
cd "$(dirname "$0")/../.."
export QMAILUX_SECRET_KEY="${QMAILUX_SECRET_KEY:-only-for-lint}"
result=0
check() {
    printf '== %s\n' "$*"
    "$@" || result=1
}
shell_scripts() { find . -path ./.venv -prune -o -path ./var -prune -o -name '*.sh' -print; }

check .venv/bin/ruff check .
check .venv/bin/ruff format --check .
check .venv/bin/mypy .
check .venv/bin/python manage.py makemigrations --check --dry-run
for script in $(shell_scripts) .ci/run; do check bash -n "$script"; done
if command -v shellcheck >/dev/null; then check shellcheck -x -P SCRIPTDIR $(shell_scripts); fi
exit "$result"
