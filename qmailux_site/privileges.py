"""Which commands keep root, and how the others give it up (DESIGN 4, Privileges)."""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Sequence

from provisioning.layout import PANEL_USER

# They read or change the machine: daemons, rendered files, mailboxes.
COMMANDS_THAT_KEEP_ROOT = {
    "apply",
    "doctor",
    "learn",
    "makemessages",
    "makemigrations",
    "queue",
    "setup",
    "stack",
    "test",
}
# They read the machine's logs, or read and write files of the person who typed them.
VERBS_THAT_KEEP_ROOT = {
    ("account", "check"),
    ("account", "import"),
    ("logs", "forget"),
    ("logs", "ingest"),
    ("certificate", "answer"),
    ("certificate", "upload"),
    ("policy", "show"),
    ("policy", "unlock"),
    ("webmail", "rotate-key"),
}

# They can do nothing without root, and then cannot even read the instance's secret key.
COMMANDS_THAT_NEED_ROOT = {"stack"}
NOT_ROOT = 3  # as in provisioning.stack.failures


def refuse_without_root(argv: Sequence[str]) -> None:
    """End with one sentence, before settings are read that only root and the panel user may read."""
    if os.geteuid() == 0 or len(argv) < 2 or argv[1] not in COMMANDS_THAT_NEED_ROOT:
        return
    if {"-h", "--help"} & set(argv):
        return
    sys.stderr.write(f"manage.py {argv[1]} needs root: sudo make up, sudo make down\n")
    sys.exit(NOT_ROOT)


def drop_unless_needed(argv: Sequence[str]) -> None:
    """Become the unprivileged panel user for good, so that no file of the panel ever belongs to root."""
    if os.geteuid() != 0 or len(argv) < 2 or argv[1] in COMMANDS_THAT_KEEP_ROOT:
        return
    if tuple(argv[1:3]) in VERBS_THAT_KEEP_ROOT:
        return
    if os.environ.get("QMAILUX_KEEP_ROOT") == "1":
        return
    try:
        user = pwd.getpwnam(PANEL_USER)
    except KeyError:
        return  # before `make up` has made the users there is nobody to become
    os.initgroups(user.pw_name, user.pw_gid)
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)
    os.environ["HOME"] = user.pw_dir
