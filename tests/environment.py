"""Every test process is an instance of its own: with a home and ports that no other has.

Loaded by pytest before anything else (addopts in pyproject.toml): Django reads its settings early.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import IO

# Below those of tests/stack. No two of the standard ports lie a multiple of 250 apart.
OFFSETS = range(11000, 20000, 250)
SMTP_PORT = 25


def _is_left_behind(offset: int) -> bool:
    """Whether daemons of a test process that was killed still answer there: a test would talk to them."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", offset + SMTP_PORT))
        except OSError:
            return True
    return False


def claim_offset(offsets: Iterable[int]) -> tuple[int, IO[str]]:
    """The first port offset that no other test process has; the open file keeps it until it is closed."""
    for offset in offsets:
        claim = Path(tempfile.gettempdir(), f"qmailux-tests-{offset}").open("w")  # noqa: SIM115  # held on purpose
        try:
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            claim.close()
            continue
        if _is_left_behind(offset):
            claim.close()
            continue
        return offset, claim
    raise SystemExit(f"other test processes have all of the port offsets {offsets}")


_offset, _claim = claim_offset(OFFSETS)
_HOME = Path(tempfile.mkdtemp(prefix="qx-"))
_HOME.chmod(0o755)
for _folder in ("db", "run", "secrets", "log", "node"):
    (_HOME / _folder).mkdir()
os.environ.update(
    QMAILUX_HOME=str(_HOME),
    QMAILUX_SECRET_KEY="only-for-tests",
    QMAILUX_PORT_OFFSET=str(_offset),
    QMAILUX_BIND="127.0.0.1",
    QMAILUX_HOSTNAME="mx.qmailux.test",
    # Nothing asks a network that is not the test's own.
    QMAILUX_PROTECTIONS_OFF="spamassassin-network,sender-domain,dnsbl,spf,dkim,dmarc,"
    "postscreen-dnsbl,postscreen-pregreet",
)


def pytest_sessionfinish() -> None:
    shutil.rmtree(_HOME, ignore_errors=True)
