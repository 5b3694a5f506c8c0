# Sourced by the scripts of this folder.

# Where we remember what we did to the machine, for `make uninstall`.
MACHINE_STATE="${QMAILUX_MACHINE_STATE:-/var/lib/qmailux-machine}"

say() { printf 'qmailux: %s\n' "$*" >&2; }

# die CODE SENTENCE
die() {
    local code="$1"
    shift
    say "$*"
    exit "$code"
}

# The exit codes of provisioning/stack.py.
EXIT_FAILED=1 EXIT_NOT_ROOT=3 EXIT_PROGRAM_MISSING=5 EXIT_HOME_UNUSABLE=7
# Of `manage.py apply`.
APPLY_INCOMPLETE=9

# whatever_can_be COMMAND...: an apply. One object that cannot be had, such as a key of a lost backup, stops no server.
whatever_can_be() {
    local code=0
    "$@" || code=$?
    [ "$code" = 0 ] || [ "$code" = "$APPLY_INCOMPLETE" ] || exit "$code"
}

must_be_root() { [ "$(id -u)" = 0 ] || die "$EXIT_NOT_ROOT" "this needs root: sudo $*"; }

# take_turns NAME: two of us at once would step on each other's toes; the lock goes with the process.
take_turns() {
    mkdir -p "$MACHINE_STATE"
    exec 9>"$MACHINE_STATE/$1.lock"
    flock 9
}

# copy_code FROM TO: the code for the daemons' users, owned by root; TO/.venv is kept. Whole or not at all.
copy_code() {
    local from="$1" to="$2" fresh="$2.new"
    rm -rf "$fresh"
    mkdir -p "$fresh"
    tar -C "$from" --exclude=./.git --exclude=./.venv --exclude=./var --exclude='./.*_cache' --exclude=./.hypothesis \
        --exclude=./.screenshots --exclude=./tests/artifacts --exclude=__pycache__ \
        -cf - . | tar -C "$fresh" --no-same-owner -xf -
    chmod -R u=rwX,go=rX "$fresh"
    [ ! -e "$fresh/.env" ] || { chgrp qmailux "$fresh/.env" && chmod 640 "$fresh/.env"; }
    echo "$from" >"$fresh/.copied-from"
    [ ! -d "$to/.venv" ] || mv "$to/.venv" "$fresh/.venv"
    rm -rf "$to"
    mv "$fresh" "$to"
}

# compile_texts CODE: .po -> .mo, as the checkout holds only the former.
compile_texts() {
    [ -n "$(find "$1" -path "$1/.venv" -prune -o -name '*.po' -print -quit)" ] || return 0
    (cd "$1" && .venv/bin/python -m django compilemessages -v 0 --ignore .venv --ignore var)
}
