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

must_be_root() { [ "$(id -u)" = 0 ] || die "$EXIT_NOT_ROOT" "this needs root: sudo $*"; }

# take_turns NAME: two of us at once would step on each other's toes; the lock goes with the process.
take_turns() {
    mkdir -p "$MACHINE_STATE"
    exec 9>"$MACHINE_STATE/$1.lock"
    flock 9
}
