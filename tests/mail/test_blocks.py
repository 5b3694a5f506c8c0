"""Blocked addresses: both families, every port, open sessions and new ones, and who is let go again."""

from __future__ import annotations

import io
import json
import socket
import subprocess
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.actor import Actor
from accounts.models import Account
from domains import address_actions
from domains.models import IPAddress
from enforcement import actions
from enforcement.models import Block
from provisioning.blocks import settle_blocks
from provisioning.layout import STANDARD_PORTS
from qmailux_site.errors import ActionRefused
from tests.db.test_panel import logged_in, plain_static
from tests.mail.instance import MailInstance, wait_until

__all__ = ["plain_static"]
pytestmark = pytest.mark.django_db(databases=["default", "logs"])

GUEST, NEIGHBOUR, NETWORK = "127.0.5.7", "127.0.6.7", "127.0.5.0/24"
GUEST6, NEIGHBOUR6, NETWORK6 = "fd00:5::7", "fd00:6::7", "fd00:5::/64"
SERVER4, SERVER6 = "127.0.0.1", "fd00::12"
# nginx listens at the address that the instance is bound to.
PORTS6 = {name: port for name, port in STANDARD_PORTS.items() if name not in {"http", "https"}}


@pytest.fixture
def plane(running_in_world: MailInstance, db: None) -> Iterator[MailInstance]:
    running_in_world.node()
    yield running_in_world
    for left in Block.objects.all():
        actions.lift_block(left, by=Actor.console())
    running_in_world.apply()


@pytest.fixture
def six(plane: MailInstance) -> Iterator[None]:
    """The server has an address of IPv6, and so have two others."""
    for address in (GUEST6, NEIGHBOUR6):
        subprocess.run(["ip", "-6", "address", "replace", f"{address}/128", "dev", "lo", "nodad"], check=True)
    address_actions.add_address(
        address=SERVER6, hostname="six.host.example", node=plane.node(), is_present=True, by=Actor.console()
    )
    plane.apply()
    yield
    IPAddress.objects.all().delete()
    plane.applier().apply_all(confirm_deletions=True)


def block(plane: MailInstance, network: str, **values: object) -> Block:
    found = actions.add_block(network=network, reason="Zgaduje hasła", by=Actor.console(), **values)  # type: ignore[arg-type]
    plane.apply()
    return found


def connected(source: str, service: str) -> socket.socket:
    """Greeted, where the service greets first. Raises OSError when it is refused."""
    server = SERVER6 if ":" in source else SERVER4
    connection = socket.create_connection((server, STANDARD_PORTS[service]), 10, source_address=(source, 0))
    if service in {"smtp", "submission", "imap", "pop3", "sieve"}:
        assert connection.recv(1000), "no greeting"
    return connection


def gets_in(source: str, service: str = "imap") -> bool:
    try:
        connected(source, service).close()
    except OSError:
        return False
    return True


def is_over(connection: socket.socket) -> bool:
    """Whether the other side has ended it, without a word of ours."""
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def still_answers(connection: socket.socket) -> bool:
    connection.settimeout(10)
    connection.sendall(b"a NOOP\r\n")
    return connection.recv(1000).startswith(b"a OK")


def test_IPS_07_both_families_lose_open_sessions_and_new_ones_on_every_port_and_the_neighbour_passes(
    plane: MailInstance, six: None, root: Account
) -> None:
    open_ones = [connected(GUEST, service) for service in STANDARD_PORTS]
    open_ones += [connected(GUEST6, service) for service in PORTS6]
    neighbours = [connected(source, "imap") for source in (NEIGHBOUR, NEIGHBOUR6)]
    started = time.monotonic()
    actions.add_block(network="127.0.5.99/24", reason="Zgaduje hasła", by=Actor.console())
    actions.add_block(network=NETWORK6, reason="Zgaduje hasła", by=Actor.console())
    plane.apply()
    wait_until(lambda: all(is_over(each) for each in open_ones), what="open sessions end")
    print(f"{len(open_ones)} sessions ended after {time.monotonic() - started:.2f} s")
    assert not [service for service in STANDARD_PORTS if gets_in(GUEST, service)]
    assert not [service for service in PORTS6 if gets_in(GUEST6, service)]
    assert all(still_answers(each) for each in neighbours)
    assert all(gets_in(NEIGHBOUR, service) for service in STANDARD_PORTS)
    assert all(gets_in(NEIGHBOUR6, service) for service in PORTS6)
    settle_blocks(plane.node(), plane.host, plane.layout)
    for network in (NETWORK, NETWORK6):
        met = Block.objects.get(network=network)
        assert met.hits >= len(PORTS6)
        assert met.last_hit_at is not None
        page = logged_in(root).get("/server/blocks/").content.decode()
        assert network in page
    assert page.count("Zgaduje hasła") == 2
    assert page.count("console") >= 2
    before = Block.objects.get(network=NETWORK).hits
    settle_blocks(plane.node(), plane.host, plane.layout)
    assert Block.objects.get(network=NETWORK).hits == before
    for found in Block.objects.all():
        logged_in(root).post(f"/server/blocks/{found.pk}/lift/")
    plane.apply()
    assert gets_in(GUEST)
    assert gets_in(GUEST6)
    assert "qmailux" not in plane.host.run(["nft", "list", "tables"]).stdout.decode()


def test_block_of_one_service_leaves_the_others_open(plane: MailInstance) -> None:
    block(plane, GUEST, service="submission")
    assert [name for name in STANDARD_PORTS if not gets_in(GUEST, name)] == ["submission", "smtps"]
    assert gets_in("127.0.5.8", "submission")


def test_block_inside_of_another_stays_when_that_one_is_lifted(plane: MailInstance) -> None:
    wide = block(plane, NETWORK)
    block(plane, GUEST)
    actions.lift_block(wide, by=Actor.console())
    plane.apply()
    assert not gets_in(GUEST)
    assert gets_in("127.0.5.8")


def test_block_is_over_at_its_end_without_anybody_doing_anything(plane: MailInstance) -> None:
    block(plane, GUEST, until=timezone.now() + timedelta(seconds=4))
    assert not gets_in(GUEST)
    wait_until(lambda: gets_in(GUEST), what="the end of the block")
    wait_until(lambda: actions.lift_blocks_that_are_over(by=Actor.task()), what="the row goes too")
    plane.apply()
    assert not Block.objects.exists()


def test_block_and_its_end_survive_a_restart_with_the_control_plane_down(plane: MailInstance) -> None:
    found = block(plane, GUEST, until=timezone.now() + timedelta(hours=1))
    block(plane, "127.0.8.0/24")
    plane.host.run(["nft", "flush", "ruleset"])
    assert gets_in(GUEST)
    for argv in plane.daemon("postfix").prepare:
        plane.host.run(argv)
    assert not gets_in(GUEST)
    assert not gets_in("127.0.8.8")
    listed = json.loads(plane.host.run(["nft", "-j", "list", "set", "inet", "qmailux", "b4_32_all"]).stdout)
    (entry,) = (part["set"]["elem"][0]["elem"] for part in listed["nftables"] if "set" in part)
    assert 3400 < entry["expires"] <= 3600
    # What was counted before goes on.
    Block.objects.filter(pk=found.pk).update(hits=7, counted=7)
    settle_blocks(plane.node(), plane.host, plane.layout)
    assert Block.objects.get(pk=found.pk).hits > 7


def test_nothing_but_our_own_table_is_touched(plane: MailInstance) -> None:
    plane.host.run(["nft", "add table inet cudza; add chain inet cudza x"])
    block(plane, NETWORK)
    actions.lift_block(Block.objects.get(), by=Actor.console())
    plane.apply()
    assert plane.host.run(["nft", "list", "tables"]).stdout.decode().split() == ["table", "inet", "cudza"]
    plane.host.run(["nft", "delete table inet cudza"])


@pytest.mark.parametrize(
    ("network", "sentence"),
    [
        ("127.0.0.0/24", "is an address of this server"),
        ("::1", "is an address of this server"),
        ("127.0.0.0/8", "is an address of this server"),
        ("nie adres", "is neither an IP address nor a network"),
        ("192.0.2.0/33", "is neither an IP address nor a network"),
        ("0.0.0.0/0", "is too large"),
        ("2000::/3", "is too large"),
        ("192.0.2.7; add rule", "is neither an IP address nor a network"),
    ],
)
def test_block_that_would_harm_the_server_is_refused(
    plane: MailInstance, root: Account, network: str, sentence: str
) -> None:
    with pytest.raises(ActionRefused, match=sentence):
        actions.add_block(network=network, reason="x", by=Actor.console())
    answer = logged_in(root).post(
        "/server/blocks/", {"network": network, "service": "all", "reason": "x"}, REMOTE_ADDR="192.0.2.9"
    )
    assert sentence in answer.content.decode()
    assert not Block.objects.exists()


def test_the_own_address_is_blocked_only_after_a_question(plane: MailInstance, root: Account) -> None:
    client = logged_in(root)
    values = {"network": "192.0.2.0/24", "service": "all", "reason": "cała sieć"}
    answer = client.post("/server/blocks/", values, HTTP_X_FORWARDED_FOR="192.0.2.9")
    assert "this would shut you out" in answer.content.decode()
    assert not Block.objects.exists()
    client.post("/server/blocks/", {**values, "may_shut_out_self": "on"}, HTTP_X_FORWARDED_FOR="192.0.2.9")
    assert Block.objects.get().network == "192.0.2.0/24"


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("block", *arguments, stdout=out)
    return out.getvalue()


def test_blocks_from_the_command_line(plane: MailInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qmailux_site.console.LONGEST_WAIT_SECONDS", 0)
    assert "blocked 127.0.5.0/24" in run("add", NETWORK, "--reason", "Zgaduje", "--until", "2h")
    plane.apply()
    assert not gets_in(GUEST)
    (listed,) = json.loads(run("list", "--json"))
    assert (listed["network"], listed["reason"], listed["by"]) == (NETWORK, "Zgaduje", "console")
    with pytest.raises(CommandError, match="is blocked already"):
        run("add", NETWORK, "--reason", "znowu")
    with pytest.raises(CommandError, match=r"127\.0\.7\.0/24 is not blocked"):
        run("delete", "127.0.7.0/24")
    monkeypatch.setenv("SSH_CLIENT", "127.0.9.1 5555 22")
    with pytest.raises(CommandError, match="You come from"):
        run("add", "127.0.9.0/24", "--reason", "x")
    assert "lifted" in run("delete", NETWORK)
    plane.apply()
    assert gets_in(GUEST)
