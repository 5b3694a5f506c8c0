"""Wrong passwords in Dovecot's log, of SMTP too, since Postfix asks Dovecot."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import datetime

from django.db import transaction

from accounts.actor import Actor
from enforcement.actions import Failure, note_failures
from enforcement.models import Block, LoginLog
from provisioning.hosts.base import Host
from provisioning.layout import Layout
from provisioning.models import Node
from provisioning.stopped import new_lines

_FINISHED = '"event":"auth_request_finished"'
_DENIED = "found from deny passdb"
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
    """In the order of the log. That a deny list refused stands before the event of its login."""
    is_denied = False
    for line in lines:
        if _DENIED in line:
            is_denied = True
        elif _FINISHED in line:
            with suppress(ValueError, KeyError, TypeError):  # a line that is cut off
                event = json.loads(line[line.index("{") :])
                fields = event["fields"]
                if fields.get("success") != "yes" and fields.get("service") in _SERVICES:
                    yield Failure(
                        address=str(ipaddress.ip_address(fields["remote_ip"])),
                        login=str(fields["user"]).lower(),
                        service=_SERVICES[fields["service"]],
                        at=datetime.fromisoformat(event["end_time"]),
                        is_denied=is_denied,
                    )
            is_denied = False
