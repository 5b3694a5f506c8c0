"""A clone that the daemons' users cannot reach (in /root) runs from a copy; its commands must too."""

from __future__ import annotations

import os
import sys
from pathlib import Path

# What machine/reach.sh makes.
HOME_OF_COPY = Path("/var/lib/qmailux-dev")
COPY = HOME_OF_COPY / "code"


def go_to_copy(code: Path) -> None:
    """Become the same command in the copy, if `make up` had to make one of this code; else do nothing.

    A command gives up root and would then find no module of its own any more.
    """
    if os.geteuid() != 0 or code == COPY:
        return
    try:
        copied_from = (COPY / ".copied-from").read_text(encoding="utf-8").rstrip("\n")
    except OSError:
        return
    if copied_from != str(code):
        return
    python = COPY / ".venv" / "bin" / "python"
    os.environ.setdefault("QMAILUX_HOME", str(HOME_OF_COPY))
    # Files that the person names are relative to where they are: the folder stays, only the code is another.
    os.execv(python, [str(python), str(COPY / "manage.py"), *sys.argv[1:]])  # noqa: S606  # argv list, no shell
