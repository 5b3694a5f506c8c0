#!/bin/bash
# python.sh CODE [REQUIREMENTS [VENV]]: a venv (default CODE/.venv) from Debian's Python, with CODE's requirements
# (default requirements.txt) installed whenever they changed.
#
# From /usr/bin/python3 and no other: an interpreter below /root or /home (pyenv) cannot be run by the daemons' users.
set -euo pipefail
code="$(realpath "$1")"
requirements="${2:-requirements.txt}"
venv="${3:-$code/.venv}"
cd "$(dirname "$0")"
. ./common.sh

PYTHON=/usr/bin/python3
[ -x "$PYTHON" ] || die "$EXIT_PROGRAM_MISSING" "there is no $PYTHON: install the Debian packages python3 and python3-venv"
umask 022
if [ "$(id -u)" = 0 ]; then take_turns python; fi

# "wants FILE": FILE and what it includes, the interpreter, and where: a moved venv is made anew.
wanted() { { cat "$code/requirements.txt" "$code/$1"; "$PYTHON" -V; echo "$venv"; } | sha256sum | cut -d' ' -f1; }

is_ours() { grep -qx 'home = /usr/bin' "$venv/pyvenv.cfg" 2>/dev/null && "$venv/bin/python" -c '' 2>/dev/null; }

if ! is_ours; then
    [ ! -e "$venv" ] || say "$venv was not made by $PYTHON (or is broken): making it anew"
    "$PYTHON" -m venv --clear "$venv" >&2 ||
        die "$EXIT_PROGRAM_MISSING" "$PYTHON -m venv failed: install the Debian package python3-venv"
fi

mark="$venv/.installed-$(basename "$requirements")"
want="$(wanted "$requirements")"
[ "$(cat "$mark" 2>/dev/null)" != "$want" ] || exit 0
say "installing $requirements into $venv"
"$venv/bin/python" -m pip --no-input --disable-pip-version-check -qq install -r "$code/$requirements" >&2 ||
    die "$EXIT_PROGRAM_MISSING" "pip could not install $requirements; see above (it needs the network or a configured index)"
echo "$want" >"$mark"
