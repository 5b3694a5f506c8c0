"""Five hundred own addresses for fifty thousand domains: rendered, in force, and one domain moved."""

from __future__ import annotations

import os
import socket
import subprocess

import pytest

from accounts.actor import Actor
from domains import address_actions
from domains.models import Domain, IPAddress
from provisioning.hosts.local import LocalHost
from provisioning.models import Node
from provisioning.settings_files import settings_files
from provisioning.stores import open_store
from tests.bench import population
from tests.bench.figures import Report, milliseconds, stopwatch
from tests.mail.instance import wait_until
from tests.stack.instance import Instance

# Smaller for a quick look.
ADDRESSES = int(os.environ.get("BENCH_ADDRESSES", "500"))
DOMAINS = int(os.environ.get("BENCH_DOMAINS", "50000"))
ROUNDS = 10
LONGEST_WAIT_SECONDS = 120


@pytest.fixture(scope="module")
def many(running: Instance) -> list[IPAddress]:
    """Each address is that of every ADDRESSES-th domain, in and out."""
    node = population.empty()
    domains = population.add_domains(0, DOMAINS, node)
    addresses = IPAddress.objects.bulk_create(_address(number, node) for number in range(ADDRESSES))
    for number, domain in enumerate(domains):
        own = addresses[number % ADDRESSES]
        domain.inbound_address = domain.outbound_address = own
    fields = ["inbound_address", "outbound_address"]
    Domain.objects.bulk_update(domains, fields, population.ROWS_A_STATEMENT)
    running.manage("apply", "--all", "--confirm-deletions")
    for address in (addresses[0], addresses[-1]):
        wait_until(lambda: _greets(running, address), seconds=LONGEST_WAIT_SECONDS)  # noqa: B023
    return addresses


def _address(number: int, node: Node) -> IPAddress:
    return IPAddress(
        address=f"127.1.{number // 250}.{number % 250 + 1}",
        version=4,
        node=node,
        hostname=f"mail{number}.bench.test",
        is_present=True,
    )


def _greets(running: Instance, address: IPAddress) -> str:
    """The name by which the address greets; "" while nobody listens there."""
    try:
        with socket.create_connection((address.address, running.layout.port("smtp")), 10) as connection:
            words = connection.makefile().readline().split()
    except OSError:
        return ""
    return words[1] if len(words) > 1 else ""


def test_rendering(running: Instance, many: list[IPAddress], report: Report) -> None:
    with stopwatch() as watch:
        files = settings_files(running.layout)
    size = sum(len(file.content) for file in files)
    report.add(
        f"settings of {ADDRESSES} addresses and {DOMAINS:,} domains rendered",
        f"{watch.seconds:.2f} s, {size / 1e6:.1f} MB",
        goal="under 5 s",
    )


def test_a_new_name_on_the_last_listener(running: Instance, many: list[IPAddress], report: Report) -> None:
    last, seconds = many[-1], []
    for number in range(3):
        wait_until(population.is_live, seconds=LONGEST_WAIT_SECONDS)
        name = f"inna{number}.bench.test"
        with stopwatch() as watch:
            address_actions.edit_address(last, hostname=name, by=Actor.console())
            wait_until(lambda: _greets(running, last) == name, seconds=LONGEST_WAIT_SECONDS)  # noqa: B023
        seconds.append(watch.seconds)
    report.add(
        f"new name of one of {ADDRESSES} addresses, commit to its greeting",
        milliseconds(seconds),
        goal="rendered, tested, reloaded",
    )


def test_reload_alone(running: Instance, many: list[IPAddress], report: Report) -> None:
    """The file is written by hand, as an apply writes it, and put back."""
    last, seconds = many[-1], []
    wait_until(population.is_live, seconds=LONGEST_WAIT_SECONDS)
    services = running.layout.etc / "postfix" / "master.cf"
    applied, known = services.read_text(encoding="utf-8"), _greets(running, last)
    # Many rounds: what the apply before it set going (certificates of the new name) runs beside the first.
    for name in (*(f"raz{number}.bench.test" for number in range(ROUNDS)), known):
        services.write_text(applied.replace(f"={known}", f"={name}"), encoding="utf-8")
        with stopwatch() as watch:
            subprocess.run([running.layout.bin / "postfix-reload"], check=True, stderr=subprocess.DEVNULL)
            wait_until(lambda: _greets(running, last) == name, seconds=LONGEST_WAIT_SECONDS)  # noqa: B023
        seconds.append(watch.seconds)
    report.add(
        f"reload with {ADDRESSES} addresses, to the greeting of the last",
        milliseconds(seconds),
        goal="under 1 s",
    )


def test_one_domain_moves(running: Instance, many: list[IPAddress], report: Report) -> None:
    domain, key = Domain.objects.get(name="d00007.bench.test"), "@d00007.bench.test"
    ways = open_store(LocalHost(running.layout), running.layout, "sender_transport")
    seconds = []
    for number in range(ROUNDS):
        wait_until(population.is_live, seconds=LONGEST_WAIT_SECONDS)
        before, to = ways.query([key]), many[(number + 1) % ADDRESSES]
        with stopwatch() as watch:
            address_actions.set_domain_addresses(domain, inbound=to, outbound=to, by=Actor.console())
            wait_until(lambda: ways.query([key]) != before, seconds=LONGEST_WAIT_SECONDS)  # noqa: B023
        seconds.append(watch.seconds)
    report.add("one domain moved to another address", milliseconds(seconds), goal="under 1 s")
