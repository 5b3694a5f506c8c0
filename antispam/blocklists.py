"""Whether a block list works as one (RFC 5782): it has 127.0.0.2, and never 127.0.0.1."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from enum import StrEnum

from django.utils.translation import gettext as _

from qmailux_site.errors import ActionRefused

SECONDS = 4.0
# The options of protections that name lists.
OPTIONS = ("sites", "scored_sites")


class Health(StrEnum):
    WORKS = "works"
    LISTS_ALL = "lists-all"  # all mail would be refused
    SILENT = "silent"  # nobody answers, or not us: such as a public resolver's question to Spamhaus


def silent_lists(options: Mapping[str, Sequence[str]]) -> list[str]:
    """Lists in the options that do not answer as lists do: it may be the network, so they may be kept.

    Refused: one that lists everybody.
    """
    sites = [site for option in OPTIONS for site in options.get(option, ()) if "=" in site]
    found = examine(sites)
    for site, health in found.items():
        if health == Health.LISTS_ALL:
            option = next(option for option in OPTIONS if site in options.get(option, ()))
            sentence = _("%(site)s lists every address: all mail would be refused.")
            raise ActionRefused(option, sentence % {"site": site.partition("=")[0]})
    return [site.partition("=")[0] for site, health in found.items() if health == Health.SILENT]


def examine(sites: Sequence[str]) -> dict[str, Health]:
    """By the words of the setting, such as "bl.example.org=127.0.0.2*1". At most SECONDS in all."""
    zones = {site: site.partition("=")[0] for site in sites}
    executor = ThreadPoolExecutor(max_workers=16)
    asked = {
        (site, host): executor.submit(_answers, f"{host}.{zone}")
        for site, zone in zones.items()
        for host in ("2.0.0.127", "1.0.0.127")
    }
    wait(asked.values(), timeout=SECONDS)
    executor.shutdown(wait=False, cancel_futures=True)
    return {
        site: _health(*(_result(asked[site, host]) for host in ("2.0.0.127", "1.0.0.127"))) for site in zones
    }


def _health(has_test_address: bool | None, has_own_address: bool | None) -> Health:
    if has_own_address:
        return Health.LISTS_ALL
    return Health.WORKS if has_test_address else Health.SILENT


def _result(asked: Future[bool]) -> bool | None:
    return asked.result() if asked.done() and not asked.cancelled() else None


def _answers(name: str) -> bool:
    """Whether it is listed: an error code of a list (127.255.255.x) says nothing about the address."""
    try:
        found = socket.getaddrinfo(name, None, family=socket.AF_INET, type=socket.SOCK_STREAM)
    except OSError:
        return False
    addresses = {str(entry[4][0]) for entry in found}
    return any(address.startswith("127.0.") for address in addresses)
