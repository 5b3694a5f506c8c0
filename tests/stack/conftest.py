"""Instances that are really started: they take seconds each, so tests share them where they can."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from provisioning.layout import Layout
from tests.stack.instance import Instance

# Above the tests' own planes (tests/environment.py), below the kernel's ephemeral ports.
SHARED_OFFSET, OWN_OFFSET = 20000, 21000


@contextmanager
def _instance(offset: int) -> Iterator[Instance]:
    home = Path(tempfile.mkdtemp(prefix="qxs-"))
    instance = Instance(Layout(home=home, bind="127.0.0.1", offset=offset, hostname="mx.qmailux.test"))
    instance.make()
    yield instance
    instance.down()
    shutil.rmtree(home)


@pytest.fixture(scope="module")
def running() -> Iterator[Instance]:
    """Up, with ala@firma.test. Who stops something in it starts it again."""
    with _instance(SHARED_OFFSET) as instance:
        instance.up()
        instance.manage("domain", "add", "firma.test")
        instance.add_account("ala@firma.test")
        yield instance


@pytest.fixture
def own() -> Iterator[Instance]:
    """Made, not started: this test's own, with other ports than the shared one."""
    with _instance(OWN_OFFSET) as instance:
        yield instance
