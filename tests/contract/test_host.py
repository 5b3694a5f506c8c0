"""What every Host must do (provisioning/hosts/base.py). A new host joins as a parameter of the fixture."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioning.hosts.base import Host
from provisioning.hosts.local import LocalHost
from provisioning.layout import Layout
from provisioning.render.dovecot import SCHEMA, SCHEMA_VERSION
from provisioning.render.files import RenderedFile
from qmailux_site.errors import CommandFailed


@pytest.fixture
def host() -> Iterator[Host]:
    layout = Layout(Path(f"/tmp/qxh{os.getpid()}"), "127.0.0.1", 9000, "mx.qmailux.test")
    for folder in (layout.node, layout.auth, layout.node_run):
        folder.mkdir(parents=True, exist_ok=True)
    local = LocalHost(layout)
    yield local
    shutil.rmtree(layout.home)


def test_written_file_has_content_owner_and_mode(host: Host) -> None:
    host.write(RenderedFile("etc/x/file", b"\x00inhalt", "", mode=0o640, owner="root", group="dovecot"))
    assert host.read("etc/x/file") == b"\x00inhalt"
    stat = host.run(["stat", "-c", "%a %U %G", "etc/x/file"]).stdout.decode().split()
    assert stat == ["640", "root", "dovecot"]


def test_file_that_is_not_there_reads_as_none_and_removes_quietly(host: Host) -> None:
    assert host.read("etc/nothing") is None
    host.remove("etc/nothing")


@pytest.mark.parametrize("path", ["../outside", "/etc/passwd", "etc/../../x", "a\0b"])
def test_PRM_10_paths_stay_inside(host: Host, path: str) -> None:
    with pytest.raises(ValueError, match="leaves"):
        host.write(RenderedFile(path, b"x", ""))


def test_command_gets_stdin_and_gives_output(host: Host) -> None:
    assert host.run(["cat"], stdin=b"tekst").stdout == b"tekst"


def test_failing_command_says_what_and_why(host: Host) -> None:
    with pytest.raises(CommandFailed, match="code 3") as caught:
        host.run(["/bin/sh", "-c", "echo powod >&2; exit 3"])
    assert "powod" in caught.value.output
    assert not caught.value.retryable
    assert host.run(["/bin/sh", "-c", "exit 3"], check=False).code == 3


def test_command_past_its_time_is_ended(host: Host) -> None:
    with pytest.raises(CommandFailed, match="ran out of time") as caught:
        host.run(["tail", "-f", "/dev/null"], timeout=0.2)
    assert caught.value.retryable


def test_missing_program_is_named(host: Host) -> None:
    with pytest.raises(CommandFailed, match="not installed"):
        host.run(["no-such-program-here"])


def test_rows_are_upserted_deleted_and_listed(host: Host) -> None:
    host.create_rows(SCHEMA, SCHEMA_VERSION)
    rows = [(f"u{n}@f.test", "f.test", "{X}h", "ab/abc", "*:bytes=0", "pl") for n in range(3)]
    host.change_rows("account", rows, [])
    host.change_rows("account", [(*rows[0][:2], "{X}new", *rows[0][3:])], [str(rows[1][0])])
    assert host.query_rows("account", ["u0@f.test", "u1@f.test"]) == {
        "u0@f.test": ("u0@f.test", "f.test", "{X}new", "ab/abc", "*:bytes=0", "pl")
    }
    assert sorted(str(row[0]) for row in host.list_rows("account")) == ["u0@f.test", "u2@f.test"]


def test_accounts_file_of_another_version_is_emptied_in_place(host: Host) -> None:
    host.create_rows(SCHEMA, SCHEMA_VERSION)
    host.change_rows("lock", [("x@f.test", "account")], [])
    host.create_rows(SCHEMA, SCHEMA_VERSION)
    assert len(list(host.list_rows("lock"))) == 1
    host.create_rows(SCHEMA, SCHEMA_VERSION + 1)
    assert list(host.list_rows("lock")) == []


def test_lock_is_exclusive_and_free_afterwards(host: Host) -> None:
    with host.lock("x") as held, host.lock("x", wait=False) as second:
        assert held
        assert not second
    with host.lock("x", wait=False) as again:
        assert again


def test_killed_writer_leaves_nothing_behind(host: Host) -> None:
    host.write(RenderedFile("etc/file", b"1", ""))
    left = Path(f"/tmp/qxh{os.getpid()}/node/etc/.file.new")
    left.write_bytes(b"half")
    host.write(RenderedFile("etc/file", b"2", ""))
    assert not left.exists()
