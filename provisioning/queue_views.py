"""The queue desk in the panel: of the whole server for superadmins, of a domain for its postmasters."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from accounts.rights import Right
from domains.models import Domain
from domains.names import canonical_domain
from provisioning.mailqueue import VERBS, QueueFilter
from provisioning.models import Node, QueueRequest
from provisioning.queue_desk import LIST, SHOW, ask, nudge
from qmailux_site.errors import ActionRefused
from qmailux_site.middleware import PanelRequest

LONGEST_WAIT_SECONDS = 5.0
LOOKS_EACH_SECONDS = 0.05
TEXTS = ("sender", "recipient", "login", "error", "queue")
QUEUES = ("incoming", "active", "deferred", "hold")
AGES = (3600, 6 * 3600, 86400, 3 * 86400)


@login_required
def queue(request: PanelRequest, name: str = "") -> HttpResponse:
    """What waits, with the reason, and in groups."""
    domain = _domain_of(request, name)
    wanted = _filter_of(request.GET)
    answer, error = _answered(request, LIST, wanted, domain)
    values = {
        "domain": domain,
        "wanted": wanted,
        "hidden": _as_fields(wanted),
        "is_filtered": not wanted.is_empty,
        "error": error,
        "listing": answer,
        "rows": [_row(message) for message in (answer or {}).get("messages", [])],
        "queues": QUEUES,
        "ages": AGES,
        **_addresses_of_pages(domain),
    }
    return render(request, "provisioning/queue.html", values)


@login_required
def queue_message(request: PanelRequest, queue_id: str, name: str = "") -> HttpResponse:
    """Envelope, headers and the beginning of the body, as text. Reading is written to the audit."""
    domain = _domain_of(request, name)
    if domain is not None and not request.actor.may(Right.MANAGE, domain):
        raise PermissionDenied  # it shows what is written
    answer, error = _answered(request, SHOW, QueueFilter(ids=(queue_id,)), domain)
    if answer is not None and answer["message"] is None:
        raise Http404
    values = {
        "domain": domain,
        "error": error,
        "shown": answer,
        "row": _row(answer["message"]) if answer else None,
        **_addresses_of_pages(domain),
    }
    return render(request, "provisioning/queue_message.html", values)


@login_required
@require_POST
def queue_order(request: PanelRequest, name: str = "") -> HttpResponse:
    """Asks with the number, then gives the order."""
    domain = _domain_of(request, name)
    if domain is not None and not request.actor.may(Right.MANAGE, domain):
        raise PermissionDenied
    pages = _addresses_of_pages(domain)
    is_whole = "whole" in request.POST
    verb = request.POST.get("whole" if is_whole else "verb", "")
    ids = tuple(request.POST.getlist("id"))
    if verb not in VERBS or not (is_whole or ids):
        messages.error(request, _("Choose messages first."))
        return redirect(pages["queue_url"])
    wanted = _filter_of(request.POST) if is_whole else QueueFilter(ids=ids)
    is_confirmed = "confirmed" in request.POST
    answer, error = _answered(request, verb, wanted, domain, dry_run=not is_confirmed)
    if answer is None:
        messages.error(request, error)
        return redirect(pages["queue_url"])
    count = int(answer["count"])
    if is_confirmed or not count:
        messages.success(
            request, _done(verb, count) if is_confirmed else _("There is no such message any more.")
        )
        return redirect(pages["queue_url"])
    values = {
        "domain": domain,
        "verb": verb,
        "question": _question(verb, count),
        "field": "whole" if is_whole else "verb",
        "ids": ids,
        "hidden": _as_fields(wanted) if is_whole else {},
        **pages,
    }
    return render(request, "provisioning/queue_order.html", values)


def _domain_of(request: PanelRequest, name: str) -> Domain | None:
    """None for the whole server, which is the superadmin's."""
    if not name:
        if not request.user.is_superuser:
            raise PermissionDenied
        return None
    try:
        canonical = canonical_domain(name)
    except ActionRefused as refusal:
        raise Http404 from refusal
    return get_object_or_404(Domain.objects.visible_to(request.actor).select_related("node"), name=canonical)


def _addresses_of_pages(domain: Domain | None) -> dict[str, str]:
    if domain is None:
        return {"queue_url": reverse("queue"), "order_url": reverse("queue-order")}
    return {
        "queue_url": reverse("domain-queue", args=[domain.name]),
        "order_url": reverse("domain-queue-order", args=[domain.name]),
    }


def _answered(
    request: PanelRequest, verb: str, wanted: QueueFilter, domain: Domain | None, *, dry_run: bool = False
) -> tuple[dict[str, Any] | None, str]:
    """The worker's answer, or why there is none."""
    node = domain.node if domain else Node.objects.order_by("pk").first()
    if node is None:
        return None, _("There is no server yet: run manage.py setup.")
    asked = ask(node, verb=verb, wanted=wanted, domain=domain, by=request.actor, dry_run=dry_run)
    silent = _("The server does not answer at the moment. Nothing was changed.")
    if not nudge(asked):
        asked.delete()
        return None, silent
    end = time.monotonic() + LONGEST_WAIT_SECONDS
    while asked.answered_at is None and time.monotonic() < end:
        time.sleep(LOOKS_EACH_SECONDS)
        asked.refresh_from_db()
    return _taken(asked)


def _taken(asked: QueueRequest) -> tuple[dict[str, Any] | None, str]:
    """An answer is read once: it holds other people's addresses."""
    if asked.answered_at is None:
        return None, _("The server works on it and needs longer than usual. Look again in a moment.")
    answer, error = asked.answer, asked.error
    asked.delete()
    return answer, error


def _filter_of(values: Mapping[str, str]) -> QueueFilter:
    """From a form's fields; one that makes no sense counts as empty."""
    text = {name: values.get(name, "").strip()[:254] for name in TEXTS}
    age = values.get("older_than_seconds", "")
    return QueueFilter(
        sender=text["sender"].lower(),
        recipient=text["recipient"].lower(),
        login=text["login"].lower(),
        error=text["error"],
        queue=text["queue"] if text["queue"] in QUEUES else "",
        older_than_seconds=int(age) if age.isascii() and age.isdigit() and len(age) < 10 else 0,
    )


def _as_fields(wanted: QueueFilter) -> dict[str, object]:
    return {key: value for key, value in wanted.as_plain().items() if key != "ids"}


def _row(message: Mapping[str, Any]) -> dict[str, Any]:
    return {**message, "arrived": datetime.fromtimestamp(message["arrived_at"], tz=UTC)}


def _question(verb: str, count: int) -> str:
    texts = {
        "hold": ngettext(
            "Hold %(n)d message? Nobody gets it until it is released.",
            "Hold %(n)d messages? Nobody gets them until they are released.",
            count,
        ),
        "release": ngettext(
            "Release %(n)d held message? It is delivered from now on.",
            "Release %(n)d held messages? They are delivered from now on.",
            count,
        ),
        "requeue": ngettext(
            "Put %(n)d message through the queue again?", "Put %(n)d messages through the queue again?", count
        ),
        "delete": ngettext(
            "Delete %(n)d message for good? Nobody gets it, and its sender is not told.",
            "Delete %(n)d messages for good? Nobody gets them, and their senders are not told.",
            count,
        ),
        "flush": ngettext("Try to deliver %(n)d message now?", "Try to deliver %(n)d messages now?", count),
    }
    return texts[verb] % {"n": count}


def _done(verb: str, count: int) -> str:
    texts = {
        "hold": ngettext("%(n)d message is held.", "%(n)d messages are held.", count),
        "release": ngettext("%(n)d message is released.", "%(n)d messages are released.", count),
        "requeue": ngettext(
            "%(n)d message goes through the queue again.", "%(n)d messages go through the queue again.", count
        ),
        "delete": ngettext("%(n)d message is deleted.", "%(n)d messages are deleted.", count),
        "flush": ngettext("%(n)d message is tried now.", "%(n)d messages are tried now.", count),
    }
    return texts[verb] % {"n": count}
