"""Instances that are really started: they take seconds each, so tests share them where they can."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from provisioning.layout import Layout
from provisioning.stack.failures import StackError
from provisioning.stack.requirements import require_free_ports
from tests.stack.instance import Instance

# Above the tests' own planes (tests/environment.py), below the kernel's ephemeral ports.
OFFSETS = range(20000, 29000, 1000)


@contextmanager
def _instance() -> Iterator[Instance]:
    instance = Instance(_free_layout(Path(tempfile.mkdtemp(prefix="qxs-"))))
    instance.make()
    yield instance
    instance.down()
    shutil.rmtree(instance.layout.home)


def _free_layout(home: Path) -> Layout:
    """Somebody may work on this machine: the first offset at which no port is taken."""
    for offset in OFFSETS:
        layout = Layout(home=home, bind="127.0.0.1", offset=offset, hostname="mx.qmailux.test")
        with suppress(StackError):
            require_free_ports(layout)
            return layout
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
