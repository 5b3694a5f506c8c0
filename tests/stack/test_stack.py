"""Instances as their operator knows them: up, down, what is said when it cannot be, and what goes on without
it.
"""

from __future__ import annotations

import os
import signal
import smtplib
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.conf import settings

from provisioning import stack
from provisioning.probes import probe
from provisioning.stack.processes import Process, wait_for_end
from provisioning.stack.supervision import Supervisor
from tests.mail.instance import wait_until
from tests.mail.wire import letter
from tests.stack.instance import CODE, PASSWORD, Instance
from tests.stack.panel import Panel

pytestmark = pytest.mark.machine

CONTROL_PLANE = ("web", "worker", "node-worker", "beat", "learner", "logs", "redis")


# Up and down


def test_every_program_runs_and_every_port_answers(running: Instance) -> None:
    found = stack.status(running.layout)

    assert found.is_well, found.programs
    assert [program.name for program in found.programs] == [
        *(
            "redis",
            "syslog",
            "clamd",
            "clamav-milter",
            "opendkim",
            "dkim-signer",
            "opendmarc",
            "postgrey",
            "sending-limits",
            "hijack-brake",
            "quota-room",
            "alias-forward",
            "outgoing-scan",
            "spamd",
            "dovecot",
            "postfix",
            "php-fpm",
            "nginx",
            "web",
            "worker",
            "node-worker",
            "beat",
            "learner",
            "logs",
        )
    ]
    for service in (
        "smtp",
        "submission",
        "smtps",
        "imap",
        "imaps",
        "pop3",
        "pop3s",
        "sieve",
        "https",
        "http",
    ):
        assert probe(running.layout, service) == "", service


def test_a_change_is_live_within_a_second_through_the_worker(running: Instance) -> None:
    said = running.add_account("ola@firma.test")

    assert "live after 0." in said
    assert running.subjects("ola@firma.test") == []


def test_mail_arrives(running: Instance) -> None:
    running.wire.deliver("ala@firma.test", text=letter("Dzień dobry"))

    wait_until(lambda: "Dzień dobry" in running.subjects("ala@firma.test"))


def test_mail_is_traced_by_the_unprivileged_panel_user(running: Instance) -> None:
    """Root reads the logs, and the panel's user the database that root writes to."""
    running.wire.deliver("ala@firma.test", text=letter("Gdzie jest"))

    wait_until(lambda: "delivered" in running.manage("trace", "--subject", "Gdzie"))


def test_a_second_up_says_that_it_runs_and_changes_nothing(running: Instance) -> None:
    before = stack.status(running.layout)

    done = running.run("stack", "up", "--detach")

    assert done.returncode == 0, done.stderr
    assert "already running" in done.stdout
    assert f"https://127.0.0.1:{running.layout.port('https')}/" in done.stdout
    assert _pids(stack.status(running.layout)) == _pids(before)


def test_data_is_kept_over_down_and_up(own: Instance) -> None:
    own.up()
    own.manage("domain", "add", "obca.test")
    own.add_account("jan@obca.test")
    own.wire.deliver("jan@obca.test", text=letter("Zostaje"))
    wait_until(lambda: own.subjects("jan@obca.test"))

    own.down()
    own.make()
    own.up()

    assert own.subjects("jan@obca.test") == ["Zostaje"]
    assert "obca.test" in own.manage("domain", "list")


def test_QUE_06_a_locked_server_is_locked_after_down_and_up_and_the_panel_stays_open(own: Instance) -> None:
    own.up()
    own.manage("domain", "add", "obca.test")
    own.add_account("jan@obca.test")
    own.manage("account", "password", settings.QMAILUX_ADMIN, "--password-stdin", stdin=PASSWORD)
    own.manage("policy", "lock", "--reason", "Zamrożony")
    wait_until(lambda: own.wire.rcpt("jan@obca.test")[0] == 450, seconds=60)

    own.down()
    own.up()

    assert own.wire.rcpt("jan@obca.test")[0] == 450
    assert own.wire.imap_login_command("jan@obca.test", PASSWORD) == "NO"
    assert "Zamrożony" in Panel(own.layout, settings.QMAILUX_ADMIN, PASSWORD).get("/server/")
    own.manage("policy", "unlock")
    wait_until(lambda: own.wire.rcpt("jan@obca.test")[0] == 250, seconds=60)


def test_down_leaves_no_process_even_with_an_open_session(own: Instance) -> None:
    own.up()
    own.manage("domain", "add", "obca.test")
    own.add_account("jan@obca.test")
    with own.wire.imap("jan@obca.test", PASSWORD) as session:
        session.select()
        before = own.processes()

        own.down()

        assert [process for process in before if process.is_alive] == []
    assert own.processes() == set()
    assert own.run("stack", "status").returncode == 1


def test_what_a_killed_supervisor_left_behind_is_ended_at_the_next_up(own: Instance) -> None:
    own.up()
    main = _process_of(own, Supervisor(own.layout).pid())
    os.kill(main.pid, signal.SIGKILL)
    wait_for_end([main], seconds=10)
    left = own.processes()

    assert left
    assert own.up()

    assert [process for process in left if process.is_alive] == []
    assert stack.status(own.layout).is_well


def test_down_ends_what_a_killed_supervisor_left_behind(own: Instance) -> None:
    own.up()
    main = _process_of(own, Supervisor(own.layout).pid())
    os.kill(main.pid, signal.SIGKILL)
    wait_for_end([main], seconds=10)

    assert own.down()

    assert own.processes() == set()


def test_a_program_that_dies_is_started_again(own: Instance) -> None:
    own.up()
    postfix = Supervisor(own.layout).state("postfix").pid
    os.kill(postfix, signal.SIGKILL)

    wait_until(lambda: Supervisor(own.layout).state("postfix").pid not in (0, postfix), seconds=30)
    wait_until(lambda: probe(own.layout, "smtp") == "", seconds=30)


def test_two_instances_run_side_by_side(running: Instance, own: Instance) -> None:
    own.up()
    own.manage("domain", "add", "firma.test")
    own.add_account("ala@firma.test")
    own.wire.deliver("ala@firma.test", text=letter("Tylko tu"))
    wait_until(lambda: own.subjects("ala@firma.test") == ["Tylko tu"])

    assert "Tylko tu" not in running.subjects("ala@firma.test")
    own.down()

    assert stack.status(running.layout).is_well


def test_in_the_foreground_logs_are_shown_and_ctrl_c_ends_everything(own: Instance) -> None:
    process = subprocess.Popen(
        [sys.executable, str(CODE / "manage.py"), "stack", "up"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=own.environment,
    )
    lines = _collect(process)
    wait_until(lambda: any(line.startswith("  ManageSieve") for line in lines), seconds=90, what="addresses")
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        own.wire.deliver("nikt@nigdzie.test")
    wait_until(lambda: any("mail " in line and "nikt@nigdzie.test" in line for line in lines), what="the log")

    process.send_signal(signal.SIGINT)

    assert process.wait(timeout=60) == 0
    assert own.processes() == set()


# What hinders a start: one sentence, an exit code of its own, and nothing left running


def test_a_taken_port_is_named_with_the_program_that_has_it(stopped: Instance) -> None:
    port = stopped.layout.port("smtp")
    with socket.create_server(("127.0.0.1", port)):
        done = stopped.run("stack", "up", "--detach")

    assert done.returncode == stack.ExitCode.PORT_TAKEN
    assert f"port {port} (smtp, by " in done.stderr
    assert f"pid {os.getpid()})" in done.stderr
    assert stopped.processes() == set()


def test_a_missing_program_is_named_with_its_package(stopped: Instance) -> None:
    done = stopped.run("stack", "up", "--detach", environment={"PATH": "/nonexistent"})

    assert done.returncode == stack.ExitCode.PROGRAM_MISSING
    assert "redis-server" in done.stderr
    assert "apt-get install iproute2 redis-server" in done.stderr


def test_without_root_it_is_refused(stopped: Instance) -> None:
    nobody = ("setpriv", "--reuid", "nobody", "--regid", "nogroup", "--clear-groups")

    done = stopped.run("stack", "up", "--detach", before=nobody)

    assert done.returncode == stack.ExitCode.NOT_ROOT
    assert "needs root" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_home_too_long_for_sockets_is_refused(stopped: Instance) -> None:
    done = stopped.run("stack", "up", "--detach", environment={"QMAILUX_HOME": f"/tmp/{'a' * 50}"})

    assert done.returncode == stack.ExitCode.HOME_UNUSABLE
    assert "at most 50 bytes" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_home_that_others_cannot_reach_is_refused(stopped: Instance) -> None:
    done = stopped.run("stack", "prepare", environment={"QMAILUX_HOME": "/root/qxs-home"})

    assert done.returncode == stack.ExitCode.HOME_UNUSABLE
    assert "cannot get below /root" in done.stderr
    assert not Path("/root/qxs-home").exists()


def test_a_full_disk_is_refused(stopped: Instance) -> None:
    home = stopped.layout.home
    script = f'mount -t tmpfs -o size=40m none {home}/db && exec "$@"'
    with_small_disk = ("unshare", "--mount", "sh", "-c", script, "sh")

    done = stopped.run(
        *("stack", "up", "--detach"), before=with_small_disk, environment={"QMAILUX_HOME": f"{home}/db"}
    )

    assert done.returncode == stack.ExitCode.DISK_FULL
    assert "the disk" in done.stderr


def test_settings_that_were_never_rendered_are_refused(own: Instance) -> None:
    (own.layout.etc / "postfix" / "main.cf").unlink()

    done = own.run("stack", "up", "--detach")

    assert done.returncode == stack.ExitCode.FAILED
    assert "apply --all" in done.stderr


def test_a_program_that_does_not_come_up_ends_the_start_with_its_words(own: Instance) -> None:
    (own.layout.etc / "nginx" / "nginx.conf").write_text("nonsense;\n")

    done = own.run("stack", "up", "--detach")

    assert done.returncode == stack.ExitCode.NOT_READY
    assert "nginx does not start" in done.stderr
    assert "nonsense" in done.stderr
    assert own.processes() == set()


# The promise: the mail plane needs no control plane


def test_with_database_redis_web_and_workers_stopped_mail_goes_on(running: Instance) -> None:
    with _control_plane_stopped(running):
        running.wire.deliver("ala@firma.test", text=letter("Przyszło bez panelu"))
        wait_until(lambda: "Przyszło bez panelu" in running.subjects("ala@firma.test"))
        assert "Przyszło bez panelu" in running.wire.pop3_subjects("ala@firma.test", PASSWORD)

        running.wire.submit(
            *("ala@firma.test", PASSWORD, "ala@firma.test", "ala@firma.test"),
            text=letter("Wysłane bez panelu"),
        )
        wait_until(lambda: "Wysłane bez panelu" in running.subjects("ala@firma.test"))

        assert running.wire.rcpt("nikt@firma.test")[0] == 550
        with running.wire.submission() as client, pytest.raises(smtplib.SMTPAuthenticationError):
            running.wire.smtp_login(client, "ala@firma.test", "not the password")
    assert stack.status(running.layout).is_well


def test_what_was_pending_is_applied_after_the_start(running: Instance) -> None:
    stack.stop_programs(running.layout, *CONTROL_PLANE)
    said = running.add_account("nowa@firma.test")
    assert "not live yet" in said
    assert running.wire.rcpt("nowa@firma.test")[0] == 550

    _start_control_plane(running)

    wait_until(lambda: running.wire.rcpt("nowa@firma.test")[0] == 250, seconds=30)
    assert running.subjects("nowa@firma.test") == []


@contextmanager
def _control_plane_stopped(instance: Instance) -> Iterator[None]:
    """Programs ended and the database moved away, so that nothing can ask it in secret."""
    stack.stop_programs(instance.layout, *CONTROL_PLANE)
    database, elsewhere = instance.layout.home / "db", instance.layout.home / "db-away"
    database.rename(elsewhere)
    try:
        yield
    finally:
        elsewhere.rename(database)
        _start_control_plane(instance)


def _start_control_plane(instance: Instance) -> None:
    stack.start_programs(instance.layout, "redis")
    stack.start_programs(instance.layout, *(name for name in CONTROL_PLANE if name != "redis"))


def _pids(status: stack.Status) -> dict[str, int]:
    return {program.name: program.pid for program in status.programs}


def _process_of(instance: Instance, pid: int) -> Process:
    return next(process for process in instance.processes() if process.pid == pid)


def _collect(process: subprocess.Popen[str]) -> list[str]:
    """Its lines as they come; read all the time, so that the pipe never fills."""
    assert process.stdout is not None
    stream = process.stdout
    lines: list[str] = []
    threading.Thread(target=lambda: lines.extend(iter(stream.readline, "")), daemon=True).start()
    return lines
