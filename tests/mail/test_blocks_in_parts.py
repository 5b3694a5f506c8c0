"""Blocked addresses where the machine has no packet filter: Postfix, Dovecot and nginx refuse them."""

from __future__ import annotations

import base64
import io
import itertools
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import call_command
from django.utils import timezone

from accounts.actions import add_account
from accounts.actor import Actor
from accounts.models import Account
from domains import actions as domain_actions
from domains import address_actions
from domains.models import IPAddress
from enforcement import actions
from enforcement.models import Block
from provisioning.blocks import settle_blocks
from provisioning.doctor import examine
from provisioning.hosts.base import Output
from provisioning.hosts.local import LocalHost
from provisioning.layout import STANDARD_PORTS
from tests.conftest import PASSWORD
from tests.db.test_panel import logged_in, plain_static
from tests.mail.instance import MailInstance, wait_until
from tests.mail.wire import client_context

__all__ = ["plain_static"]
pytestmark = pytest.mark.django_db(databases=["default", "logs"])

# 127.0.5.0/24 is blocked, and of IPv6 fd00:5::/64.
GUEST, NEIGHBOUR, NETWORK = "127.0.5.7", "127.0.6.7", "127.0.5.0/24"
GUEST6, NEIGHBOUR6, NETWORK6 = "fd00:5::7", "fd00:6::7", "fd00:5::/64"
SERVER4, SERVER6 = "127.0.0.1", "fd00::12"
SERVICES = tuple(STANDARD_PORTS)
# nginx listens at the address that the instance is bound to.
SERVICES6 = tuple(name for name in SERVICES if name not in {"http", "https"})
_numbers = itertools.count(1)


class CapableHost(LocalHost):
    """Whatever it runs lacks some rights, as in a container."""

    def __init__(self, instance: MailInstance, before: Sequence[str]) -> None:
        super().__init__(instance.layout)
        self.before = before

    def run(
        self, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 30, check: bool = True
    ) -> Output:
        return super().run([*self.before, *argv], stdin=stdin, timeout=timeout, check=check)


class Confined(MailInstance):
    """before: what each command of the control plane stands behind."""

    before: tuple[str, ...] = ()

    @property
    def host(self) -> LocalHost:
        return CapableHost(self, self.before)

    def settle(self) -> None:
        settle_blocks(self.node(), self.host, self.layout)


def without_rights(*names: str) -> tuple[str, ...]:
    """The kernel itself refuses then."""
    drop = ",".join(f"-{name}" for name in names)
    return ("setpriv", f"--bounding-set={drop}", f"--inh-caps={drop}")


@pytest.fixture
def open_plane(running_in_world: MailInstance, db: None) -> Iterator[Confined]:
    plane = Confined(running_in_world.layout, running_in_world.processes)
    plane.node()
    yield plane
    plane.before = ()
    for left in Block.objects.all():
        actions.lift_block(left, by=Actor.console())
    plane.apply()
    plane.settle()


@pytest.fixture
def plane(open_plane: Confined) -> Confined:
    """No packet filter and no ss -K: the kernel says no to both."""
    open_plane.before = without_rights("net_admin")
    return open_plane


@pytest.fixture
def path_without_nft(tmp_path: Path) -> str:
    """Every program of the machine but that one."""
    for folder in map(Path, ("/usr/bin", "/usr/sbin")):
        for program in folder.iterdir():
            if program.name != "nft" and not (tmp_path / program.name).exists():
                (tmp_path / program.name).symlink_to(program)
    return str(tmp_path)


@pytest.fixture
def jan(plane: Confined, six: None, console: Actor) -> Account:
    firma = domain_actions.add_domain(name=f"czesci{next(_numbers)}.test", by=console)
    account = add_account(domain=firma, localpart="jan", password=PASSWORD, by=console)
    plane.apply()
    return account


@pytest.fixture
def six(open_plane: Confined) -> Iterator[None]:
    """The server has an address of IPv6, and so have two others. It has listeners of its own."""
    for address in (GUEST6, NEIGHBOUR6):
        subprocess.run(["ip", "-6", "address", "replace", f"{address}/128", "dev", "lo", "nodad"], check=True)
    address_actions.add_address(
        address=SERVER6,
        hostname="six.host.example",
        node=open_plane.node(),
        is_present=True,
        by=Actor.console(),
    )
    open_plane.apply()
    yield
    IPAddress.objects.all().delete()
    open_plane.before = ()
    open_plane.applier().apply_all(confirm_deletions=True)


@dataclass(slots=True)
class Talk:
    """A client of one service, from one address. Raises OSError when the other side ends it."""

    source: str
    service: str
    line: socket.socket | None = None

    def __enter__(self) -> Talk:
        server = SERVER6 if ":" in self.source else SERVER4
        plain = socket.create_connection((server, STANDARD_PORTS[self.service]), 30, (self.source, 0))
        wrapped = self.service in {"smtps", "imaps", "pop3s", "https"}
        self.line = client_context().wrap_socket(plain) if wrapped else plain
        if "http" not in self.service:
            self.read()
        return self

    def __exit__(self, *_error: object) -> None:
        assert self.line is not None
        self.line.close()

    def read(self) -> str:
        """An answer to its last line."""
        assert self.line is not None
        text = ""
        while not (text.endswith("\n") and self._is_whole(text.splitlines()[-1])):
            part = self.line.recv(4000).decode()
            if not part:
                raise ConnectionError(f"the end, after {text!r}")
            text += part
        return text

    def _is_whole(self, last: str) -> bool:
        if self.service in {"smtp", "submission", "smtps"}:
            return last[3:4] == " "
        if self.service == "sieve":
            return last.startswith(("OK", "NO", "BYE"))
        return True

    def say(self, *lines: str) -> str:
        """The answer to the last of them."""
        assert self.line is not None
        answer = ""
        for line in lines:
            self.line.sendall(f"{line}\r\n".encode())
            answer = self.read()
        return answer

    def begin(self, login: str) -> str:
        """As far as mail is taken, or read; a page is asked for."""
        token = base64.b64encode(f"\0{login}\0{PASSWORD}".encode()).decode()
        if self.service in {"http", "https"}:
            return self.say("GET /static/none HTTP/1.1\r\nHost: x\r\n")
        if self.service in {"imap", "imaps"}:
            return self.say(f"a LOGIN {login} {PASSWORD}")
        if self.service in {"pop3", "pop3s"}:
            return self.say(f"USER {login}", f"PASS {PASSWORD}")
        if self.service == "sieve":
            return self.say(f'AUTHENTICATE "PLAIN" "{token}"')
        if self.service == "smtp":
            return self.say("EHLO mx.obcy.example", "MAIL FROM:<x@obcy.example>", f"RCPT TO:<{login}>")
        answer = self.say("EHLO laptop.example", f"AUTH PLAIN {token}")
        return answer if answer[0] != "2" else self.say(f"MAIL FROM:<{login}>", f"RCPT TO:<{login}>")

    def goes_on(self) -> bool:
        """Whether a session that has begun does anything more."""
        try:
            if self.service in {"http", "https"}:
                return self.say("GET /static/none HTTP/1.1\r\nHost: x\r\n").startswith("HTTP/1.1")
            if self.service in {"imap", "imaps"}:
                return self.say("b NOOP").startswith("b OK")
            if self.service in {"pop3", "pop3s"}:
                return self.say("NOOP").startswith("+OK")
            if self.service == "sieve":
                return self.say("NOOP").startswith("OK")
            return self.say("DATA").startswith("354")
        except OSError:
            return False


def gets_in(source: str, service: str, login: str) -> bool:
    """Whether mail is taken, a login is good, a page is answered."""
    try:
        with Talk(source, service) as talk:
            answer = talk.begin(login)
    except OSError:
        return False
    return answer.startswith(("2", "a OK", "+OK", "OK", "HTTP/1.1"))


def passes(source: str, login: str) -> list[str]:
    """All at once, for Dovecot lets those whom it refuses wait."""
    names = SERVICES6 if ":" in source else SERVICES
    with ThreadPoolExecutor(len(names)) as threads:
        answers = list(threads.map(lambda name: gets_in(source, name, login), names))
    return [name for name, answer in zip(names, answers, strict=True) if answer]


def await_passing(source: str, login: str, expected: Sequence[str]) -> None:
    """nginx and Postfix take up what they are told in a moment."""
    wait_until(lambda: passes(source, login) == list(expected), what=f"{expected} for {source}")


def block(plane: MailInstance, network: str, **values: object) -> Block:
    found = actions.add_block(network=network, reason="Zgaduje hasła", by=Actor.console(), **values)  # type: ignore[arg-type]
    plane.apply()
    return found


def test_kernel_says_no_and_both_families_are_refused_on_every_port_and_the_neighbour_passes(
    plane: Confined, jan: Account
) -> None:
    refused = plane.host.run(["nft", "list", "tables"], check=False)
    assert b"Operation not permitted" in refused.stderr
    await_passing(GUEST, jan.address, SERVICES)
    await_passing(GUEST6, jan.address, SERVICES6)
    started = time.monotonic()
    block(plane, NETWORK)
    block(plane, NETWORK6)
    print(f"two blocks after {time.monotonic() - started:.2f} s")
    await_passing(GUEST, jan.address, [])
    await_passing(GUEST6, jan.address, [])
    await_passing(NEIGHBOUR, jan.address, SERVICES)
    await_passing(NEIGHBOUR6, jan.address, SERVICES6)
    for found in Block.objects.all():
        actions.lift_block(found, by=Actor.console())
    plane.apply()
    await_passing(GUEST, jan.address, SERVICES)
    await_passing(GUEST6, jan.address, SERVICES6)


def test_block_of_one_service_leaves_the_others_open(plane: Confined, jan: Account) -> None:
    ports = {
        "smtp": {"smtp"},
        "submission": {"submission", "smtps"},
        "imap": {"imap", "imaps"},
        "pop3": {"pop3", "pop3s"},
        "sieve": {"sieve"},
        "web": {"http", "https"},
    }
    for service, closed in ports.items():
        found = block(plane, GUEST, service=service)
        await_passing(GUEST, jan.address, [name for name in SERVICES if name not in closed])
        assert gets_in("127.0.5.8", sorted(closed)[0], jan.address)
        actions.lift_block(found, by=Actor.console())
        plane.apply()


def test_login_of_a_blocked_address_is_refused_before_its_password_is_looked_at(
    plane: Confined, jan: Account
) -> None:
    block(plane, GUEST, service="submission")
    with Talk(GUEST, "submission") as talk:
        answer = talk.begin(jan.address)
    assert answer.startswith("535")


@pytest.mark.parametrize("source", [GUEST, GUEST6])
@pytest.mark.parametrize("service", ["submission", "smtps"])
def test_postfix_itself_refuses_on_the_ports_for_people_too(
    plane: Confined, jan: Account, source: str, service: str
) -> None:
    block(plane, source)
    with Talk(source, service) as talk:
        answer = talk.say("EHLO x.example", f"MAIL FROM:<{jan.address}>", f"RCPT TO:<{jan.address}>")
    assert answer.startswith("421 4.7.1")


def test_open_sessions_end_at_their_next_step_and_the_neighbours_go_on(
    open_plane: Confined, jan: Account
) -> None:
    open_plane.before = without_rights("net_admin", "sys_ptrace", "sys_admin")
    open_ones = [Talk(GUEST, service).__enter__() for service in SERVICES]
    open_ones += [Talk(GUEST6, service).__enter__() for service in SERVICES6]
    neighbours = [Talk(NEIGHBOUR, service).__enter__() for service in SERVICES]
    neighbours += [Talk(NEIGHBOUR6, service).__enter__() for service in SERVICES6]
    for talk in (*open_ones, *neighbours):
        assert talk.begin(jan.address).startswith(("2", "a OK", "+OK", "OK", "HTTP/1.1"))
    block(open_plane, NETWORK)
    block(open_plane, NETWORK6)
    assert [talk.service for talk in open_ones if talk.goes_on()] == []
    # nginx ends connections that wait for the next request when it reads its settings anew.
    mail = [talk for talk in neighbours if "http" not in talk.service]
    assert [talk.service for talk in mail if not talk.goes_on()] == []


def test_session_that_is_open_says_why_it_ends(plane: Confined, jan: Account) -> None:
    with Talk(GUEST, "smtp") as talk:
        talk.begin(jan.address)
        block(plane, GUEST, service="smtp")
        assert talk.say("DATA").startswith("421 4.7.1")
        with pytest.raises(ConnectionError):
            talk.say("NOOP")


def test_smtpd_that_waits_for_its_next_client_refuses_too(plane: Confined, jan: Account) -> None:
    """It has read its tables before the block was there, and serves a hundred clients."""
    for _again in range(3):
        assert gets_in(GUEST, "smtp", jan.address)
    block(plane, GUEST)
    assert not gets_in(GUEST, "smtp", jan.address)


def test_block_is_over_at_its_end(plane: Confined, jan: Account) -> None:
    block(plane, GUEST, until=timezone.now() + timedelta(seconds=6))
    assert not gets_in(GUEST, "smtp", jan.address)
    assert not gets_in(GUEST, "imap", jan.address)
    # Dovecot asks for the end itself; the others are told at the next look, every ten seconds.
    wait_until(lambda: gets_in(GUEST, "imap", jan.address), what="the end of the block")
    plane.settle()
    await_passing(GUEST, jan.address, SERVICES)


def test_without_nft_on_the_machine_parts_refuse_and_ss_ends_sessions(
    open_plane: Confined, jan: Account, path_without_nft: str
) -> None:
    open_plane.before = ("env", f"PATH={path_without_nft}")
    with Talk(GUEST, "submission") as idle:
        block(open_plane, GUEST)
        assert idle.line is not None
        idle.line.settimeout(10)
        with pytest.raises(ConnectionError):
            assert idle.line.recv(1), "the end"
    await_passing(GUEST, jan.address, [])
    open_plane.settle()
    assert open_plane.node().filter_fault == "nft is not installed"


def test_filter_that_comes_back_takes_over_and_the_parts_are_told_of_nobody(
    open_plane: Confined, jan: Account
) -> None:
    open_plane.before = without_rights("net_admin")
    found = block(open_plane, GUEST)
    open_plane.settle()
    assert "Operation not permitted" in open_plane.node().filter_fault
    assert (open_plane.layout.blocks / "smtp").read_text()
    open_plane.before = ()
    open_plane.settle()
    assert open_plane.node().filter_fault == ""
    assert [path.name for path in open_plane.layout.blocks.iterdir() if path.read_text()] == []
    rows = open_plane.host.run(
        ["sqlite3", str(open_plane.layout.accounts_file), "SELECT * FROM blocked_login"], check=False
    )
    assert rows.stdout == b""
    with pytest.raises(OSError):  # noqa: PT011  # a reset, or no answer at all
        Talk(GUEST, "imap").__enter__()
    actions.lift_block(found, by=Actor.console())
    open_plane.apply()
    await_passing(GUEST, jan.address, SERVICES)


def test_block_holds_over_a_restart_with_the_control_plane_down(plane: Confined, jan: Account) -> None:
    block(plane, GUEST)
    for name in ("smtp", "submission", "web"):
        (plane.layout.blocks / name).write_text("")
    for argv in plane.daemon("postfix").prepare:
        plane.host.run(argv)
    await_passing(GUEST, jan.address, [])


def test_page_and_commands_say_which_way_it_is(
    open_plane: Confined, root: Account, monkeypatch: pytest.MonkeyPatch, path_without_nft: str
) -> None:
    monkeypatch.setattr("qmailux_site.console.LONGEST_WAIT_SECONDS", 0)
    page = "/server/blocks/"
    block(open_plane, GUEST)
    open_plane.settle()
    assert "cannot be used" not in logged_in(root).get(page).content.decode()
    assert "local: the packet filter keeps blocked addresses out" in said("list")
    (finding,) = [each for each in examine(open_plane.layout) if each.check == "blocks"]
    assert finding.level == "ok"

    open_plane.before = without_rights("net_admin")
    open_plane.settle()
    shown = logged_in(root).get(page).content.decode()
    assert "The packet filter of this server cannot be used" in shown
    assert "Operation not permitted" in shown
    assert "not counted here" in shown
    assert "within 10 seconds" in said("list")
    assert "Dovecot and nginx refuse" in said("add", NEIGHBOUR, "--reason", "x")

    # The doctor tries by itself.
    monkeypatch.setenv("PATH", path_without_nft)
    (finding,) = [each for each in examine(open_plane.layout) if each.check == "blocks"]
    assert finding.level == "warning"
    assert "nft is not installed" in finding.text


def said(*arguments: str) -> str:
    out = io.StringIO()
    call_command("block", *arguments, stdout=out)
    return out.getvalue()
