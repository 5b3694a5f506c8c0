"""The systemd units start what the stack starts."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from provisioning.daemons import Daemon, daemons
from provisioning.layout import Layout
from provisioning.render.supervisor import Program
from provisioning.stack.programs import CODE, programs

UNITS = CODE / "provisioning" / "machine" / "units"
LAYOUT = Layout(home=Path("/var/lib/qmailux"), bind="*", offset=0, hostname="mx.firma.test")
OPENERS = ("clamd", "clamav-milter", "spamd", "dovecot", "postfix", "nginx")


def _unit(name: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in (UNITS / f"qmailux-{name}.service").read_text().splitlines():
        key, separator, value = line.partition("=")
        if separator and not line.startswith("#"):
            value = value.replace("%%", "%")
            found.setdefault(key, []).append(value)
    return found


def _stack() -> dict[str, tuple[str, ...]]:
    """argv by program; the daemons without what only supervisor needs."""
    found = {program.name: program.argv for program in programs(LAYOUT, {})}
    return found | {daemon.name: daemon.start for daemon in daemons(LAYOUT)}


def test_there_is_a_unit_for_each_program_and_the_target_wants_it() -> None:
    names = {path.name for path in UNITS.glob("*.service")}
    target = (UNITS / "qmailux.target").read_text()

    assert names == {f"qmailux-{program.name}.service" for program in programs(LAYOUT, {})}
    assert [name for name in names if name not in target] == []


@pytest.mark.parametrize("program", programs(LAYOUT, {}), ids=lambda program: program.name)
def test_a_unit_starts_what_the_stack_starts(program: Program) -> None:
    name = program.name
    unit = _unit(name)
    start = [
        word.replace("/opt/qmailux/.venv/bin/python", sys.executable)
        for word in shlex.split(unit["ExecStart"][0])
    ]
    expected = [("/usr/bin/redis-server" if word == "redis-server" else word) for word in _stack()[name]]

    assert start == expected
    assert unit.get("User", ["root"]) == [program.user]


@pytest.mark.parametrize("daemon", daemons(LAYOUT), ids=lambda daemon: daemon.name)
def test_a_daemon_is_prepared_and_reloaded_as_by_the_stack(daemon: Daemon) -> None:
    unit = _unit(daemon.name)
    before = [tuple(shlex.split(line)) for line in unit.get("ExecStartPre", [])]

    assert [argv for argv in daemon.prepare if argv not in before] == []
    assert tuple(shlex.split(unit["ExecReload"][0])) == daemon.reload


@pytest.mark.parametrize("name", OPENERS)
def test_daemons_may_open_many_files(name: str) -> None:
    assert _unit(name)["LimitNOFILE"] == ["65536"]


@pytest.mark.parametrize("name", OPENERS)
def test_the_mail_plane_is_ordered_after_nothing_of_the_control_plane(name: str) -> None:
    text = (UNITS / f"qmailux-{name}.service").read_text()

    assert "postgresql" not in text
    assert "redis" not in text


def test_systemd_finds_no_fault_in_the_units(tmp_path: Path) -> None:
    assert shutil.which("systemd-analyze"), "the package systemd is missing"
    for path in UNITS.iterdir():
        # The code is not installed here; that it is executable is another test's business.
        text = path.read_text().replace("/opt/qmailux/.venv/bin/python", "/usr/bin/python3")
        text = text.replace("/var/lib/qmailux/node/bin/", "/usr/bin/env ")
        (tmp_path / path.name).write_text(text)

    done = subprocess.run(
        ["systemd-analyze", "verify", *map(str, sorted(tmp_path.iterdir()))],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout + done.stderr) == (0, "")
