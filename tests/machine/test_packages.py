"""packages.sh on a Debian of our own, with apt and the archive as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from provisioning.stack import ExitCode
from tests.machine.debian import CLONE, Machine

pytestmark = pytest.mark.machine

UNITS = "etc/systemd/system"
LIST = """\
# A comment
redis-server    # the broker
nginx-light     # its unit lies in another package, nginx-common
"""


def _list(machine: Machine, text: str) -> str:
    (machine.root / CLONE.lstrip("/") / "list.txt").write_text(text)
    return "list.txt"


def _is_masked(machine: Machine, unit: str) -> bool:
    path = machine.root / UNITS / unit
    return path.is_symlink() and path.readlink() == Path("/dev/null")


def test_packages_come_without_a_question_and_their_units_are_masked(machine: Machine) -> None:
    done = machine.script("packages.sh", "install", _list(machine, LIST))

    assert done.returncode == 0, done.stderr
    assert machine.run("dpkg-query", "-W", "redis-server", "nginx-light").returncode == 0
    assert _is_masked(machine, "redis-server.service")
    assert _is_masked(machine, "nginx.service")
    assert not (machine.root / "usr/sbin/policy-rc.d").exists()


def test_a_second_installation_says_and_does_nothing(machine: Machine) -> None:
    machine.script("packages.sh", "install", _list(machine, LIST))

    done = machine.script("packages.sh", "install", "list.txt")

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_unmask_gives_back_what_was_masked_and_the_next_installation_masks_it_again(machine: Machine) -> None:
    machine.script("packages.sh", "install", _list(machine, LIST))

    machine.script("packages.sh", "unmask")
    assert not _is_masked(machine, "redis-server.service")
    assert not _is_masked(machine, "nginx.service")

    machine.script("packages.sh", "install", "list.txt")
    assert _is_masked(machine, "redis-server.service")
    assert _is_masked(machine, "nginx.service")


def test_unmask_of_one_unit_leaves_the_others(machine: Machine) -> None:
    machine.script("packages.sh", "install", _list(machine, LIST))

    machine.script("packages.sh", "unmask", "redis")

    assert not _is_masked(machine, "redis-server.service")
    assert _is_masked(machine, "nginx.service")


def test_a_package_that_was_there_keeps_its_unit(machine: Machine) -> None:
    machine.run("apt-get", "install", "-y", "--no-install-recommends", "redis-server")

    done = machine.script("packages.sh", "install", _list(machine, LIST))

    assert done.returncode == 0, done.stderr
    assert not _is_masked(machine, "redis-server.service")
    assert _is_masked(machine, "nginx.service")


def test_a_line_may_ask_that_its_units_stay(machine: Machine) -> None:
    listed = "redis-server  # somebody needs Debian's own (units: keep)\nnginx-light # TLS\n"

    machine.script("packages.sh", "install", _list(machine, listed))

    assert not _is_masked(machine, "redis-server.service")
    assert _is_masked(machine, "nginx.service")


def test_a_unit_file_of_the_operator_is_not_overwritten(machine: Machine) -> None:
    own = machine.root / UNITS / "nginx.service"
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_text("[Service]\nExecStart=/bin/true\n")

    machine.script("packages.sh", "install", _list(machine, LIST))
    machine.script("packages.sh", "unmask")

    assert own.read_text().startswith("[Service]")


def test_a_policy_of_the_operator_stays(machine: Machine) -> None:
    policy = machine.root / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)

    assert machine.script("packages.sh", "install", _list(machine, LIST)).returncode == 0

    assert policy.exists()


def test_it_stops_when_apt_would_remove_a_package_and_names_it(machine: Machine) -> None:
    machine.run("apt-get", "install", "-y", "--no-install-recommends", "exim4-daemon-light")

    done = machine.script("packages.sh", "install", _list(machine, "postfix # SMTP\n"))

    assert done.returncode == ExitCode.FAILED
    assert "apt would remove exim4-" in done.stderr
    assert machine.run("dpkg-query", "-W", "exim4-daemon-light").returncode == 0
    assert not _is_masked(machine, "postfix.service")


def test_postfix_comes_without_a_configuration_of_debian(machine: Machine) -> None:
    done = machine.script("packages.sh", "install", _list(machine, "postfix # SMTP\n"))

    assert done.returncode == 0, done.stderr
    assert not (machine.root / "etc/postfix/main.cf").exists()
    assert _is_masked(machine, "postfix.service")


def test_without_network_it_says_so_and_changes_nothing(machine: Machine) -> None:
    done = machine.run(*("provisioning/machine/packages.sh", "install", _list(machine, LIST)), network=False)

    assert done.returncode == ExitCode.PROGRAM_MISSING
    assert "redis-server" in done.stderr
    assert "connect this machine to a Debian mirror" in done.stderr
    assert not _is_masked(machine, "redis-server.service")


def test_users_are_made_once(machine: Machine) -> None:
    for _time in range(2):
        assert machine.script("users.sh").returncode == 0
    passwd = (machine.root / "etc/passwd").read_text()

    assert passwd.count("\nqmailux:") == 1
    assert passwd.count("\nqmailux-vmail:") == 1
