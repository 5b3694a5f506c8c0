"""A clone in /root: `make up` runs it from a copy that the daemons' users can read."""

from __future__ import annotations

import pytest

from tests.machine.debian import CLONE, Machine

pytestmark = pytest.mark.machine

COPY = "var/lib/qmailux-dev/code"


def test_a_clone_in_root_is_copied_and_roots_folder_stays_closed(machine: Machine) -> None:
    machine.script("users.sh")

    done = machine.script("reach.sh", ".")

    assert done.stdout == f"/{COPY}\n"
    assert f"other users cannot get into {CLONE}" in done.stderr
    assert (machine.root / "root").stat().st_mode & 0o777 == 0o700
    assert (machine.root / COPY / "manage.py").exists()
    assert "QMAILUX_HOME=/var/lib/qmailux-dev" in (machine.root / COPY / ".env").read_text()
    assert (machine.root / CLONE.lstrip("/") / ".venv").readlink().as_posix() == f"/{COPY}/.venv"


def test_what_a_strict_umask_made_can_be_read_in_the_copy(machine: Machine) -> None:
    machine.script("users.sh")
    machine.run("chmod", "-R", "go=", ".")

    machine.script("reach.sh", ".")

    as_panel = ("setpriv", "--reuid", "qmailux", "--regid", "qmailux", "--clear-groups")
    assert machine.run(*as_panel, "cat", f"/{COPY}/qmailux_site/settings.py").returncode == 0


def test_secrets_of_a_developer_are_not_shown_to_everybody(machine: Machine) -> None:
    machine.script("users.sh")
    (machine.root / CLONE.lstrip("/") / ".env").write_text("QMAILUX_SECRET_KEY=abc\n")

    machine.script("reach.sh", ".")

    assert (machine.root / COPY / ".env").stat().st_mode & 0o777 == 0o640


def test_a_venv_in_the_clone_is_never_deleted(machine: Machine) -> None:
    machine.script("users.sh")
    mine = machine.root / CLONE.lstrip("/") / ".venv" / "mine"
    mine.parent.mkdir()
    mine.write_text("keep\n")

    machine.script("reach.sh", ".")

    assert mine.exists()


def test_the_copy_follows_the_clone_and_keeps_its_venv(machine: Machine) -> None:
    machine.script("users.sh")
    machine.script("reach.sh", ".")
    (machine.root / COPY / ".venv").mkdir()
    (machine.root / COPY / ".venv/kept").write_text("")
    (machine.root / CLONE.lstrip("/") / "new-file").write_text("")
    (machine.root / CLONE.lstrip("/") / "README.md").unlink()

    machine.script("reach.sh", ".")

    assert (machine.root / COPY / ".venv/kept").exists()
    assert (machine.root / COPY / "new-file").exists()
    assert not (machine.root / COPY / "README.md").exists()


def test_a_clone_that_everybody_can_enter_is_used_as_it_is(machine: Machine) -> None:
    machine.script("users.sh")
    machine.run("cp", "-a", ".", "/srv/clone")

    done = machine.run("/srv/clone/provisioning/machine/reach.sh", "/srv/clone")

    assert (done.stdout, done.stderr) == ("/srv/clone\n", "")
    assert not (machine.root / COPY).exists()


def test_a_file_that_nobody_else_may_read_is_no_reason_for_a_copy(machine: Machine) -> None:
    machine.script("users.sh")
    machine.run("cp", "-a", ".", "/srv/clone")
    (machine.root / "srv/clone/.cache").write_text("")
    (machine.root / "srv/clone/.cache").chmod(0o600)

    done = machine.run("/srv/clone/provisioning/machine/reach.sh", "/srv/clone")

    assert done.stdout == "/srv/clone\n"


def test_a_home_too_long_is_refused_before_anything_is_installed(machine: Machine) -> None:
    done = machine.script("up.sh", environment={"QMAILUX_HOME": f"/srv/{'a' * 60}"})

    assert done.returncode == 7
    assert "more than 50 bytes" in done.stderr
    assert machine.run("id", "qmailux").returncode != 0
