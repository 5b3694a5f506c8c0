"""Debians of our own: one is bootstrapped a session, each test or module that changes one has a copy."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.machine import debian
from tests.machine.debian import Machine

_numbers = count(1)


@pytest.fixture(scope="session")
def workshop() -> Iterator[Path]:
    # Not below /tmp: that may be a small one in memory.
    with tempfile.TemporaryDirectory(prefix="qmailux-machines-", dir="/var/tmp") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def base(workshop: Path) -> Path:
    folder = workshop / "base"
    try:
        debian.make_base(folder)
    except subprocess.CalledProcessError as error:
        words = f"{error.stdout}{error.stderr}"[-500:]
        pytest.fail(f"Debian's archive at {debian.MIRROR} cannot be used here: {words}")
    return folder


@pytest.fixture(scope="session")
def wheels(workshop: Path) -> Path:
    folder = workshop / "wheels"
    debian.make_wheels(folder)
    return folder


@pytest.fixture
def machine(workshop: Path, base: Path) -> Iterator[Machine]:
    """Fresh, switched off, with a clone in /root and no Python packages at hand."""
    (workshop / "none").mkdir(exist_ok=True)
    machine = new_machine(workshop, base, workshop / "none")
    yield machine
    machine.remove()


@pytest.fixture(scope="module")
def server(workshop: Path, base: Path, wheels: Path) -> Iterator[Machine]:
    """Installed by `make install` while it was off, as for an image; then booted, if the kernel lets us."""
    machine = new_machine(workshop, base, wheels)
    done = machine.script("install.sh", environment={"QMAILUX_HOSTNAME": "mx.firma.test"})
    assert done.returncode == 0, done.stderr
    try:
        machine.boot()
    except (AssertionError, OSError) as error:
        machine.remove()
        pytest.fail(f"systemd cannot be booted in namespaces here: {error}")
    yield machine
    machine.remove()


def new_machine(workshop: Path, base: Path, wheels: Path) -> Machine:
    root = workshop / f"m{next(_numbers)}"
    subprocess.run(["cp", "-a", str(base), str(root)], check=True)
    machine = Machine(root, wheels)
    machine.copy_code()
    return machine
