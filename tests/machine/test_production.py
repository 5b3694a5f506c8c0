"""`make install` on a booted Debian of our own: what an operator does in a server's life, in order."""

from __future__ import annotations

import pytest

from provisioning.stack import ExitCode
from tests.machine.debian import Machine
from tests.mail.instance import wait_until

pytestmark = pytest.mark.machine

PROGRAMS = (
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
    "nginx",
    "redis",
    "web",
    "worker",
    "node-worker",
    "beat",
    "learner",
    "logs",
)
CONTROL_PLANE = ("redis", "web", "worker", "node-worker", "beat", "learner", "logs")
PORTS = (25, 465, 587, 110, 143, 993, 995, 4190, 80, 443)
PERSON = ("/usr/bin/python3", "tests/machine/person.py")


def _units(names: tuple[str, ...]) -> list[str]:
    return [f"qmailux-{name}.service" for name in names]


def _are_active(server: Machine, names: tuple[str, ...] = PROGRAMS) -> bool:
    found = server.inside("systemctl", "is-active", *_units(names)).stdout.split()
    return found == ["active"] * len(names)


def _main_pids(server: Machine, names: tuple[str, ...]) -> list[str]:
    return [
        server.inside("systemctl", "show", "-P", "MainPID", unit).stdout.strip() for unit in _units(names)
    ]


def _subjects(server: Machine) -> list[str]:
    return server.inside(*PERSON, "read").stdout.splitlines()


def _arrives(server: Machine, subject: str) -> None:
    sent = server.inside(*PERSON, "send", subject)
    assert sent.returncode == 0, sent.stderr
    wait_until(lambda: subject in _subjects(server), what=subject)


def _listens_on(server: Machine) -> list[str]:
    return [line.split()[3] for line in server.inside("ss", "-Hltn").stdout.splitlines()]


def test_everything_starts_with_the_machine_on_the_standard_ports(server: Machine) -> None:
    wait_until(lambda: _are_active(server), what="all units")
    doctor = server.inside("qmailux", "doctor")

    assert doctor.returncode == 0, doctor.stdout
    found = _listens_on(server)
    assert [port for port in PORTS if f"0.0.0.0:{port}" not in found] == []
    assert [port for port in PORTS if f"[::]:{port}" not in found] == []


def test_what_needs_no_network_has_no_port(server: Machine) -> None:
    found = [line for line in _listens_on(server) if int(line.rpartition(":")[2]) not in PORTS]

    # Debian's own PostgreSQL, on loopback; over IPv6 too where the machine has it.
    assert found != []
    assert set(found) <= {"127.0.0.1:5432", "[::1]:5432"}


def test_web_and_workers_are_not_root_and_connect_without_a_password(server: Machine) -> None:
    users = server.inside("ps", "-eo", "user:20,args").stdout.splitlines()
    python = [line.split()[0] for line in users if "gunicorn" in line or "celery" in line]

    assert set(python) == {"qmailux", "root"}
    assert {line.split()[0] for line in users if "node@" in line} == {"root"}
    settings = (server.root / "etc/qmailux/qmailux.env").read_text()
    assert "DATABASE_URL=postgresql://%2Fvar%2Frun%2Fpostgresql/qmailux\n" in settings


def test_mail_arrives_and_is_read(server: Machine) -> None:
    assert "live after" in server.inside("qmailux", "domain", "add", "firma.test").stdout
    added = server.inside(
        *("qmailux", "account", "add", "ala@firma.test", "--password-stdin"), stdin="Zielona-Papuga-7"
    )
    assert "live after" in added.stdout, added.stderr

    _arrives(server, "first")


def test_what_root_and_the_panel_write_belongs_to_one_database_user(server: Machine) -> None:
    query = "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'"
    owners = server.inside(
        "setpriv", "--reuid=postgres", "--init-groups", "--regid=postgres", "psql", "-Atc", query, "qmailux"
    )

    assert owners.stdout.split() == ["qmailux"], owners.stderr


def test_an_upgrade_cuts_no_session_and_takes_up_the_new_code(server: Machine) -> None:
    mail, panel = ("dovecot", "postfix", "nginx"), ("web", "worker", "node-worker", "beat", "learner", "logs")
    mail_before, panel_before = _main_pids(server, mail), _main_pids(server, panel)
    (server.root / "root/QmaiLux/new-file").write_text("of a newer version\n")

    held = server.inside(*PERSON, "hold", "provisioning/machine/install.sh")

    assert held.stdout.split()[-3:] == ["0", "OK", "250"], held.stderr
    assert (server.root / "opt/qmailux/new-file").exists()
    assert _main_pids(server, mail) == mail_before
    assert not set(_main_pids(server, panel)) & set(panel_before)


def test_mail_goes_on_without_database_broker_and_panel(server: Machine) -> None:
    stopped = server.inside("systemctl", "stop", "postgresql.service", *_units(CONTROL_PLANE))
    assert stopped.returncode == 0, stopped.stderr

    _arrives(server, "without the panel")

    server.inside("systemctl", "start", "qmailux.target")
    wait_until(lambda: _are_active(server), what="all units")


def test_logs_are_rotated_and_go_on(server: Machine) -> None:
    log = server.root / "var/lib/qmailux/node/log/mail.log"
    rotated = server.inside("logrotate", "-f", "/etc/logrotate.d/qmailux")
    assert rotated.returncode == 0, rotated.stderr

    _arrives(server, "after the rotation")

    assert "status=sent" in log.read_text()
    assert len(list(log.parent.glob("mail.log-*"))) == 1


def test_after_a_power_cut_everything_comes_back(server: Machine) -> None:
    server.cut_power()
    server.boot()
    wait_until(lambda: _are_active(server), what="all units")

    _arrives(server, "after the power cut")

    assert "first" in _subjects(server)
    assert "live after" in server.inside("qmailux", "account", "add", "ola@firma.test", "--random").stdout


def test_no_unit_of_debian_waits_for_our_ports(server: Machine) -> None:
    asked = ("postfix", "postfix@-", "dovecot", "nginx", "redis-server")
    states = [server.inside("systemctl", "is-enabled", f"{name}.service").stdout.strip() for name in asked]

    assert states == ["masked"] * len(asked)


def test_uninstall_leaves_mail_and_database_and_the_next_install_goes_on(server: Machine) -> None:
    done = server.inside("provisioning/machine/uninstall.sh")
    assert done.returncode == 0, done.stderr
    assert "/var/lib/qmailux/node/mail" in done.stderr
    assert not [line for line in _listens_on(server) if int(line.rpartition(":")[2]) in PORTS]
    assert not (server.root / "etc/systemd/system/qmailux.target").exists()
    assert not (server.root / "opt/qmailux").exists()

    again = server.inside("provisioning/machine/install.sh")

    assert again.returncode == 0, again.stderr
    wait_until(lambda: _are_active(server), what="all units")
    assert "first" in _subjects(server)
    assert server.inside("systemctl", "is-enabled", "postfix.service").stdout.strip() == "masked"


def test_a_taken_port_is_named_before_anything_is_changed(server: Machine) -> None:
    server.inside("provisioning/machine/uninstall.sh")
    take_25 = "import socket, subprocess, sys; taken = socket.create_server(('', 25));"
    take_25 += "sys.exit(subprocess.call(sys.argv[1:]))"

    done = server.inside("/usr/bin/python3", "-c", take_25, "provisioning/machine/install.sh")

    assert done.returncode == ExitCode.PORT_TAKEN
    assert "port 25 is taken by python3, pid " in done.stderr
    assert not (server.root / "opt/qmailux").exists()
