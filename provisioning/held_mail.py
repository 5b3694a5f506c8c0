"""Queued mail of accounts and domains that are locked: held, and released again when the lock goes.

Which messages were held for a lock is remembered: what somebody held by hand stays held.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from provisioning.hosts.base import Host
from provisioning.layout import Layout
from provisioning.mailqueue import QueuedMessage, order, read_queue, with_envelopes
from provisioning.models import HeldMail, Node
from provisioning.render.dovecot import BRAKE_COLUMNS
from provisioning.stores import Store
from qmailux_site.errors import HostError

log = logging.getLogger(__name__)

# As what Postfix sees the socket for Sieve's mail.
_LOCAL_CLIENT = "127.0.0.1"


def settle_held_mail(
    node: Node,
    host: Host,
    layout: Layout,
    locks: Store,
    brakes: Store,
    *,
    locked: Sequence[str],
    unlocked: Sequence[str],
) -> None:
    """locked, unlocked: addresses and domain names. A queue that cannot be asked holds up no lock."""
    try:
        for name in unlocked:
            _release(node, host, layout, locks, brakes, name)
        if locked:
            _hold(node, host, layout, locked)
    except HostError as error:
        log.error("queued mail of locked=%s unlocked=%s not settled: %s", locked, unlocked, error)


def hold_mail_of_stopped(host: Host, layout: Layout, names: Sequence[str]) -> None:
    """Of accounts that the brake has stopped. It stays on hold until a person has looked at it, so nothing is
    remembered.
    """
    try:
        for messages in _waiting_of(host, layout, names).values():
            order(host, layout, "hold", messages)
    except HostError as error:
        log.error("queued mail of stopped=%s not held: %s", names, error)


def _hold(node: Node, host: Host, layout: Layout, names: Iterable[str]) -> None:
    for name, messages in _waiting_of(host, layout, names).items():
        if messages:
            _remember(node, name, [message.queue_id for message in messages])
            order(host, layout, "hold", messages)


def _waiting_of(host: Host, layout: Layout, names: Iterable[str]) -> dict[str, list[QueuedMessage]]:
    waiting = [message for message in read_queue(host, layout) if message.queue != "hold"]
    found: dict[str, list[QueuedMessage]] = {name: [] for name in names}
    for message in with_envelopes(host, layout, waiting):
        owner = _owner_of(message)
        for name in {owner, owner.rpartition("@")[2]} & found.keys():
            found[name].append(message)
    return found


def _release(node: Node, host: Host, layout: Layout, locks: Store, brakes: Store, name: str) -> None:
    """What another lock still holds becomes that one's; what the brake has stopped stays on hold."""
    row = HeldMail.objects.filter(node=node, name=name).first()
    if row is None:
        return
    held = [each for each in read_queue(host, layout) if each.queue == "hold" and each.queue_id in row.ids]
    free: list[QueuedMessage] = []
    for message in with_envelopes(host, layout, held):
        owner = _owner_of(message)
        still = locks.query([owner, owner.rpartition("@")[2]])
        if still:
            _remember(node, next(iter(still)), [message.queue_id])
        elif not is_stopped(brakes.query([owner]).get(owner)):
            free.append(message)
    order(host, layout, "release", free)
    if free:
        host.run(["/usr/sbin/postqueue", "-c", str(layout.etc / "postfix"), "-f"], check=False)
    row.delete()


def is_stopped(row: object) -> bool:
    """Of the table of the brake."""
    return isinstance(row, tuple) and bool(row[BRAKE_COLUMNS.index("stopped")])


def _remember(node: Node, name: str, ids: Sequence[str]) -> None:
    row, _is_new = HeldMail.objects.get_or_create(node=node, name=name, defaults={"ids": []})
    row.ids = sorted({*row.ids, *ids})
    row.save(update_fields=["ids"])


def _owner_of(message: QueuedMessage) -> str:
    """Who sent it: the login, or the mailbox whose Sieve did. A sender elsewhere proves nothing."""
    if message.login:
        return message.login.lower()
    return message.sender.lower() if message.client == _LOCAL_CLIENT else ""
