"""Parts that know syslog alone: their lines are in a log of ours; the machine's own /dev/log is untouched."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from provisioning.daemons import logs_to_syslog, with_own_syslog
from provisioning.doctor import has_own_syslog
from provisioning.probes import socket_fault
from tests.mail.instance import MailInstance, wait_until

SAY = "import syslog, sys; syslog.openlog(sys.argv[1], syslog.LOG_PID); syslog.syslog(sys.argv[2])"


def says(plane: MailInstance, program: str, text: str) -> None:
    argv = with_own_syslog(plane.layout, sys.executable, "-c", SAY, program, text)
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert done.stderr == ""


def heard(plane: MailInstance, text: str) -> str:
    """The line that holds the text, once it is there."""
    found: list[str] = []

    def is_there() -> bool:
        path = plane.layout.node_log / "syslog.log"
        lines = path.read_text("utf-8", "replace").splitlines() if path.exists() else []
        found[:] = [line for line in lines if text in line]
        return bool(found)

    wait_until(is_there, what=text)
    return found[0]


def test_what_is_said_to_syslog_is_in_a_log_of_ours_with_year_and_zone(plane: MailInstance) -> None:
    before = os.path.lexists("/dev/log")
    says(plane, "opendkim", "4jZJhy2LxNzKgMV: bad signature data")
    line = heard(plane, "bad signature data")
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}[+-]\d\d:\d\d \S+ "
        r"opendkim\[\d+\]: 4jZJhy2LxNzKgMV: bad signature data",
        line,
    )
    assert os.path.lexists("/dev/log") == before


def test_a_line_stays_one_line_and_names_who_the_kernel_says(plane: MailInstance) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
        client.connect(str(plane.layout.syslog_socket))
        client.send(b"<22>Nov 25 10:00:00 gdzies: raz\nNov 25 10:00:00 mx postfix/smtpd[1]: podrobiona")
        client.send(b"bez niczego \xff\x1b[31m")
    assert f"gdzies[{os.getpid()}]: raz#012Nov 25" in heard(plane, "podrobiona")
    assert f"unknown[{os.getpid()}]: bez niczego" in heard(plane, "bez niczego")
    assert "\x1b" not in heard(plane, "bez niczego")


def test_the_receiver_may_start_anew_and_the_file_be_rotated(plane: MailInstance) -> None:
    says(plane, "postgrey", "przed obrotem")
    heard(plane, "przed obrotem")
    log = plane.layout.node_log / "syslog.log"
    log.rename(log.with_name("syslog.log-20261125"))
    program = subprocess.Popen(
        with_own_syslog(plane.layout, sys.executable, "-ic", "import syslog; syslog.syslog('pierwsza')"),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    heard(plane, "pierwsza")
    plane.stop_daemon("syslog")
    plane.start_daemon(plane.daemon("syslog"))
    assert socket_fault(plane.layout.syslog_socket) == ""
    program.communicate("syslog.syslog('druga')\n", timeout=20)
    heard(plane, "druga")


@pytest.mark.parametrize("is_own", [True, False])
def test_doctor_sees_whether_a_part_is_heard(plane: MailInstance, tmp_path: Path, is_own: bool) -> None:
    sleeper = ("/bin/sleep", "60")
    argv = with_own_syslog(plane.layout, *sleeper) if is_own else sleeper
    daemon = replace(plane.daemon("syslog"), start=argv, pid_file=tmp_path / "pid")
    process = subprocess.Popen(argv)
    try:
        daemon.pid_file.write_text(str(process.pid))
        wait_until(lambda: Path(f"/proc/{process.pid}/comm").read_text() == "sleep\n")
        assert (logs_to_syslog(daemon), has_own_syslog(plane.layout, daemon)) == (is_own, is_own)
    finally:
        process.kill()
        process.wait()
