"""Tasks of antispam."""

from __future__ import annotations

import logging

from celery import shared_task

from accounts.actor import Actor
from antispam import listings

log = logging.getLogger(__name__)


@shared_task(name="antispam.tasks.look_up_addresses")
def look_up_addresses() -> None:
    """Every address of the servers, in the block lists."""
    for row in listings.look_up_addresses(by=Actor.task()):
        log.warning("address=%s listed=%s", row.address, ",".join(row.listed_in))
