"""Every test process is an instance of its own: home and ports by the xdist worker's number.

Loaded by pytest before anything else (addopts in pyproject.toml): Django reads its settings early.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

# Ports stay below the kernel's ephemeral range (32768).
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_HOME = Path(tempfile.mkdtemp(prefix=f"qx{_WORKER}-"))
_HOME.chmod(0o755)
for _folder in ("db", "run", "secrets", "log", "node"):
    (_HOME / _folder).mkdir()
os.environ.update(
    QMAILUX_HOME=str(_HOME),
    QMAILUX_SECRET_KEY="only-for-tests",
    QMAILUX_PORT_OFFSET=str(11000 + 1000 * _WORKER),
    QMAILUX_BIND="127.0.0.1",
    QMAILUX_HOSTNAME="mx.qmailux.test",
)


def pytest_sessionfinish() -> None:
    shutil.rmtree(_HOME, ignore_errors=True)
