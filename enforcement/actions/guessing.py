"""Stopping people who guess passwords: narrow, short, and told in the list of blocked addresses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from accounts.actor import Actor
from accounts.models import LastLogin
from enforcement.actions.blocks import add_block
from enforcement.models import Block, FailedLogin
from qmailux_site.errors import ActionRefused

WINDOW = timedelta(minutes=10)
# One login from one address: a phone with an old password comes here, nobody else behind its address does.
FAILURES_OF_ONE_LOGIN = 20
STOPPED_FOR = timedelta(minutes=15)
# Somebody who goes through a list of names.
LOGINS_OF_ONE_ADDRESS = 10
FAILURES_OF_ONE_ADDRESS = 30
ADDRESS_STOPPED_FOR = timedelta(hours=1)
# From where somebody has logged in lately others live too: their address is never closed for all.
LIVED_IN = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Failure:
    """service: of Block.Service. is_denied: it met a lock or a ban, so no password was compared."""

    address: str
    login: str
    service: str
    at: datetime
    is_denied: bool = False


@transaction.atomic
def note_failures(failures: Sequence[Failure], *, by: Actor) -> list[Block]:
    """Count wrong passwords, and stop whoever gave too many. Returns the new blocks."""
    FailedLogin.objects.filter(at__lt=timezone.now() - WINDOW).delete()
    _count_hits(failure for failure in failures if failure.is_denied)
    guesses = [failure for failure in failures if not failure.is_denied]
    FailedLogin.objects.bulk_create(
        FailedLogin(address=guess.address, login=guess.login[:254], service=guess.service, at=guess.at)
        for guess in guesses
    )
    stopped = [
        *(_stop_login(*triple, by) for triple in {(g.address, g.login[:254], g.service) for g in guesses}),
        *(_stop_address(*pair, by) for pair in {(g.address, g.service) for g in guesses}),
    ]
    return [block for block in stopped if block is not None]


@transaction.atomic
def note_panel_guessing(*, address: str, login: str, by: Actor) -> None:
    """The panel's own door has closed for the login from the address; each further try keeps it closed. Of
    IPv6 the address stands for its /64, as the door counts.
    """
    until = timezone.now() + timedelta(hours=settings.AXES_COOLOFF_TIME)
    known = Block.objects.filter(network__startswith=f"{address}/", service=Block.Service.WEB, login=login)
    if known.update(until=until, hits=F("hits") + 1, last_hit_at=timezone.now()):
        return
    network = f"{address}/64" if ":" in address else address
    _stop(network, Block.Service.WEB, login, settings.AXES_FAILURE_LIMIT, until, by)


def _stop_login(address: str, login: str, service: str, by: Actor) -> Block | None:
    found = FailedLogin.objects.filter(address=address, login=login, service=service)
    count = found.count()
    if count < FAILURES_OF_ONE_LOGIN:
        return None
    found.delete()
    return _stop(address, service, login, count, timezone.now() + STOPPED_FOR, by)


def _stop_address(address: str, service: str, by: Actor) -> Block | None:
    found = FailedLogin.objects.filter(address=address, service=service)
    count = found.count()
    if count < FAILURES_OF_ONE_ADDRESS:
        return None
    if found.values("login").distinct().count() < LOGINS_OF_ONE_ADDRESS or _is_lived_in(address):
        return None
    found.delete()
    return _stop(address, service, "", count, timezone.now() + ADDRESS_STOPPED_FOR, by)


def _is_lived_in(address: str) -> bool:
    return LastLogin.objects.filter(address=address, at__gte=timezone.now() - LIVED_IN).exists()


def _stop(network: str, service: str, login: str, failures: int, until: datetime, by: Actor) -> Block | None:
    try:
        return add_block(
            network=network,
            service=service,
            login=login,
            reason=f"{failures} wrong passwords",
            failures=failures,
            until=until,
            by=by,
        )
    except ActionRefused:
        return None  # an own address, or one that is blocked already


def _count_hits(denied: Iterable[Failure]) -> None:
    for failure in denied:
        met = Block.objects.filter(
            network__startswith=f"{failure.address}/", login=failure.login, service=failure.service
        )
        met.update(hits=F("hits") + 1, last_hit_at=failure.at)
