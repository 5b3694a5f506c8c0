"""Questions and orders to a node's queue, from people who may ask (DESIGN 4, live answers).

The panel cannot read Postfix's queue: it leaves a request, and the node's worker, which is root, answers it.
The worker looks up the person's rights itself.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any, Final

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.actor import Actor
from accounts.rights import Right
from audit import record as audit
from domains.models import Domain
from provisioning.hosts.base import Host
from provisioning.layout import Layout
from provisioning.mailqueue import VERBS, QueuedMessage, QueueFilter, find, order, text_of, with_envelopes
from provisioning.models import Node, QueueRequest
from qmailux_site.broker import tell_worker
from qmailux_site.errors import ActionRefused, NotAllowed

LIST: Final = "list"
SHOW: Final = "show"
# As what Postfix sees the socket for Sieve's mail.
LOCAL_CLIENT: Final = "127.0.0.1"
MOST_SHOWN = 200
MOST_GROUPS = 20
# An answer holds senders and recipients: it goes when the page has had time to fetch it.
ANSWERS_LAST = timedelta(minutes=10)


@transaction.atomic
def ask(
    node: Node, *, verb: str, wanted: QueueFilter, domain: Domain | None, by: Actor, dry_run: bool = False
) -> QueueRequest:
    """Leave a request for the node's worker. domain: what a postmaster asks about; without one only a
    superadmin may ask.
    """
    if verb not in (LIST, SHOW, *VERBS):
        raise ActionRefused("verb", _("There is no such order."))
    _check_rights(verb, domain, by)
    QueueRequest.objects.filter(created_at__lt=timezone.now() - ANSWERS_LAST).delete()
    return QueueRequest.objects.create(
        node=node,
        verb=verb,
        wanted=wanted.as_plain(),
        domain=domain.name if domain else "",
        requested_by=by.real,
        acting_as=by.acting_as,
        address=by.address,
        dry_run=dry_run,
    )


def asker_of(request: QueueRequest) -> Actor:
    """The person who left the request, in the same role: ``ask`` let it through."""
    return Actor(
        real=request.requested_by,
        acting_as=request.acting_as,
        channel="panel" if request.requested_by else "task",
        address=request.address,
    )


def answer(request: QueueRequest, host: Host, layout: Layout, *, by: Actor) -> None:
    """Do what is asked, as far as the person may at this moment."""
    names = _names_of(request, by)
    wanted = QueueFilter.from_plain(request.wanted)
    found = find(host, layout, wanted, now=time.time())
    if names is not None:
        found = with_envelopes(host, layout, [message for message in found if _concerns(message, names)])
    visible = [shown for message in found if (shown := _as_seen(message, names)) is not None]
    if request.verb == LIST:
        request.answer = _listing(host, layout, visible)
    elif request.verb == SHOW:
        request.answer = _showing(host, layout, visible, names, by=by, scope=request.domain)
    else:
        request.answer = _ordering(host, layout, request, found, names, by)
    request.answered_at = timezone.now()
    request.save(update_fields=["answer", "answered_at"])


def give_order(
    host: Host,
    layout: Layout,
    verb: str,
    messages: Sequence[QueuedMessage],
    *,
    wanted: QueueFilter,
    by: Actor,
    scope: str = "",
) -> int:
    """Hold, release, requeue, delete or flush these messages; written to the audit with the number.

    scope: the domain whose postmaster gave the order.
    """
    checked = next(known for known in VERBS if known == verb)
    count = order(host, layout, checked, messages)
    target = ", ".join(wanted.ids[:5]) or "queue"
    asked_for = [f"{key}={value}" for key, value in _short(wanted)]
    audit.record(by, f"queue.{verb}", target, scope=scope, messages=count, wanted=asked_for)
    return count


def _check_rights(verb: str, domain: Domain | None, by: Actor) -> None:
    """Looking needs the sight of it alone, an order the right to change."""
    if verb in VERBS:
        by.must_write()
    if domain is None:
        if not by.sees_everything:
            raise NotAllowed(_("Only the superadmin may do this."))
    elif not by.may(Right.TRACE if verb == LIST else Right.MANAGE, domain):
        raise NotAllowed(_("Only a postmaster of %(domain)s may do this.") % {"domain": domain})


def _names_of(request: QueueRequest, by: Actor) -> frozenset[str] | None:
    """The domain's names, to which the person is limited; None is no limit."""
    if not request.domain:
        _check_rights(request.verb, None, by)
        return None
    domain = Domain.objects.filter(name=request.domain).first()
    if domain is None:
        raise ActionRefused("name", _("The domain %(domain)s no longer exists.") % {"domain": request.domain})
    _check_rights(request.verb, domain, by)
    return frozenset(domain.all_names())


def _as_seen(message: QueuedMessage, names: frozenset[str] | None) -> QueuedMessage | None:
    """What a postmaster may see of it: all of what the domain sent; of what comes in, only own recipients."""
    if names is None or _was_sent_by(message, names):
        return message
    own = tuple(waiting for waiting in message.recipients if _is_own(waiting.address, names))
    return replace(message, recipients=own) if own else None


def _may_order(message: QueuedMessage, names: frozenset[str] | None) -> bool:
    """An order meets all recipients: so all must be the domain's, or the domain sent it."""
    if names is None or _was_sent_by(message, names):
        return True
    return all(_is_own(waiting.address, names) for waiting in message.recipients)


def _concerns(message: QueuedMessage, names: frozenset[str]) -> bool:
    addresses = [message.sender, *(waiting.address for waiting in message.recipients)]
    return any(_is_own(address, names) for address in addresses)


def _was_sent_by(message: QueuedMessage, names: frozenset[str]) -> bool:
    """By the login, or by Sieve on this machine. The sender alone proves nothing: a stranger may have written
    it.
    """
    if message.login:
        return _is_own(message.login, names)
    return message.client == LOCAL_CLIENT and _is_own(message.sender, names)


def _is_own(address: str, names: frozenset[str]) -> bool:
    return address.rpartition("@")[2].lower() in names


def _listing(host: Host, layout: Layout, visible: Sequence[QueuedMessage]) -> dict[str, Any]:
    shown = with_envelopes(host, layout, visible[:MOST_SHOWN])
    domains = Counter(
        name
        for message in visible
        for name in {waiting.address.rpartition("@")[2].lower() for waiting in message.recipients}
    )
    return {
        "count": len(visible),
        "messages": [asdict(message) for message in shown],
        "queues": Counter(message.queue for message in visible).most_common(),
        "senders": Counter(message.sender for message in visible).most_common(MOST_GROUPS),
        "recipient_domains": domains.most_common(MOST_GROUPS),
    }


def _showing(
    host: Host,
    layout: Layout,
    visible: Sequence[QueuedMessage],
    names: frozenset[str] | None,
    *,
    by: Actor,
    scope: str,
) -> dict[str, Any]:
    """Headers and body; that somebody read a message is written to the audit."""
    readable = [message for message in visible if _may_order(message, names)]
    if not readable:
        return {"message": None}
    message = with_envelopes(host, layout, readable[:1])
    headers, body = text_of(host, layout, readable[0].queue_id)
    if not message or not headers:
        return {"message": None}
    audit.record(by, "queue.read", readable[0].queue_id, scope=scope, sender=readable[0].sender)
    return {"message": asdict(message[0]), "headers": headers, "body": body}


def _ordering(
    host: Host,
    layout: Layout,
    request: QueueRequest,
    found: Sequence[QueuedMessage],
    names: frozenset[str] | None,
    by: Actor,
) -> dict[str, Any]:
    own = [message for message in found if _may_order(message, names)]
    if request.dry_run:
        return {"count": len(own)}
    wanted = QueueFilter.from_plain(request.wanted)
    count = give_order(host, layout, request.verb, own, wanted=wanted, by=by, scope=request.domain)
    return {"count": count}


def _short(wanted: QueueFilter) -> list[tuple[str, object]]:
    plain: Mapping[str, object] = wanted.as_plain()
    return [(key, len(wanted.ids) if key == "ids" else value) for key, value in plain.items()]


def nudge(request: QueueRequest) -> bool:
    """Tell the node's worker; False when it cannot be reached: nobody would answer."""
    from provisioning.tasks import node_answer_queue

    otherwise = f"no answer from the queue of node={request.node_id}"
    return tell_worker(node_answer_queue, request.pk, otherwise=otherwise)
