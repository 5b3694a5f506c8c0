"""Wrong passwords in Dovecot's log, of SMTP too, since Postfix asks Dovecot."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime

from django.db import transaction

from accounts.actor import Actor
from enforcement.actions import Failure, note_failures
from enforcement.models import Block, LoginLog
from provisioning.auth_events import auth_events
from provisioning.hosts.base import Host
from provisioning.layout import Layout
from provisioning.models import Node
from provisioning.stopped import new_lines

_COUNTED = ("password", "unknown", "locked")
_SERVICES = {
    "imap": Block.Service.IMAP,
    "pop3": Block.Service.POP3,
    "smtp": Block.Service.SUBMISSION,
    "sieve": Block.Service.SIEVE,
}


def look_for_guessing(node: Node, host: Host, layout: Layout) -> None:
    """Read on in the log, and stop whoever guesses. The webmails' logins are the panel's business."""
    position, _is_new = LoginLog.objects.get_or_create(node=node)
    own = {layout.own_address, "127.0.0.1", "::1"}
    with transaction.atomic():
        failures = [
            failure for failure in failures_in(new_lines(position, host)) if failure.address not in own
        ]
        position.save(update_fields=["inode", "offset"])
        if failures:
            note_failures(failures, by=Actor.task())


def failures_in(lines: Iterable[str]) -> Iterator[Failure]:
    """In the order of the log. Guessed has only who was told that a password is wrong or a login unknown: a
    login that was not looked at, without TLS or because the database did not answer, is none.
    """
    for event in auth_events(lines):
        if event.reason in _COUNTED and event.service in _SERVICES:
            with suppress(ValueError):  # no network address, no time
                yield Failure(
                    address=str(ipaddress.ip_address(event.source)),
                    login=event.user.lower(),
                    service=_SERVICES[event.service],
                    at=datetime.fromisoformat(event.at),
                    is_denied=event.reason == "locked",
                )
