"""Instances that are really started: they take seconds each, so tests share them where they can."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import pytest

from provisioning.layout import Layout
from provisioning.stack.failures import StackError
from provisioning.stack.requirements import require_free_ports
from tests.environment import claim_offset
from tests.stack.instance import Instance

# Above the tests' own planes (tests/environment.py), below the kernel's ephemeral ports.
OFFSETS = range(20000, 28000, 250)


@contextmanager
def _instance() -> Iterator[Instance]:
    offset, claim = _free_offset()
    home = Path(tempfile.mkdtemp(prefix="qxs-"))
    instance = Instance(Layout(home=home, bind="127.0.0.1", offset=offset, hostname="mx.qmailux.test"))
    instance.make()
    yield instance
    instance.down()
    shutil.rmtree(home)
    claim.close()


def _free_offset() -> tuple[int, IO[str]]:
    """Somebody may work on this machine: the first claimed offset at which no port is taken."""
    for wanted in OFFSETS:
        offset, claim = claim_offset(range(wanted, OFFSETS.stop, OFFSETS.step))
        with suppress(StackError):
            require_free_ports(Layout(home=Path("/tmp"), bind="127.0.0.1", offset=offset, hostname=""))
            return offset, claim
        claim.close()
    raise AssertionError(f"ports are taken at every offset of {OFFSETS}")


@pytest.fixture(scope="module")
def running() -> Iterator[Instance]:
    """Up, with ala@firma.test. Who stops something in it starts it again."""
    with _instance() as instance:
        instance.up()
        instance.manage("domain", "add", "firma.test")
        instance.add_account("ala@firma.test")
        yield instance


@pytest.fixture
def own() -> Iterator[Instance]:
    """Made, not started: this test's own, with other ports than the shared one."""
    with _instance() as instance:
        yield instance


@pytest.fixture(scope="module")
def stopped() -> Iterator[Instance]:
    """Made, not started: for starts that are refused and so leave it as it was."""
    with _instance() as instance:
        yield instance
