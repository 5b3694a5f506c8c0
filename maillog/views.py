"""Where is my mail? Three views of one page: of a user, of a domain, of the server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse

from accounts.forms import add_refusal
from domains.models import Domain, DomainAlias
from domains.views import domain_of
from maillog import plainly
from maillog.access import Sight, sight_of
from maillog.export import rows_of
from maillog.forms import OwnTraceForm, TraceForm
from maillog.masking import masked
from maillog.models import Entry
from maillog.shown import Shown
from maillog.spreadsheet import spreadsheet
from maillog.timeline import timeline_of
from maillog.trace import Question, find
from qmailux_site.csvexport import csv_response
from qmailux_site.errors import ActionRefused
from qmailux_site.middleware import PanelRequest
from qmailux_site.pages import superadmin_required

ROWS_A_PAGE = 50
MOST_EXPORTED = 100_000
MOST_RELATED = 20
NEXT_LOOK_SECONDS = 2
GREYLISTED_BEFORE = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Door:
    """Whose view it is. page: name of the list's address; name: of the domain, where it is about one.
    speaks_plainly: to somebody who knows mailboxes, not servers.
    """

    sight: Sight
    page: str
    domain: Domain | None = None
    speaks_plainly: bool = False

    def shown(self, entry: Entry) -> Shown:
        return Shown(entry, self.url(entry), is_plain=self.speaks_plainly)

    def url(self, entry: Entry | None = None) -> str:
        words = [self.domain.name] if self.domain else []
        if entry is None:
            return reverse(self.page, args=words)
        return reverse(f"{self.page}-entry", args=[*words, entry.pk])


def _own(request: PanelRequest) -> Door:
    if not request.user.has_mailbox:
        raise PermissionDenied
    return Door(sight_of(request.actor, own_only=True), "my-trace", speaks_plainly=True)


def _of_domain(request: PanelRequest, name: str) -> Door:
    domain = domain_of(request, name)
    aliases = DomainAlias.objects.filter(domain=domain).values_list("name", "created_at")
    return Door(Sight(False, {}, {domain.name: domain.created_at, **dict(aliases)}), "domain-trace", domain)


def _of_server(request: PanelRequest) -> Door:
    return Door(sight_of(request.actor), "server-trace")


@login_required
def my_trace(request: PanelRequest) -> HttpResponseBase:
    """My own mail and logins."""
    return _list(request, _own(request))


@login_required
def my_trace_entry(request: PanelRequest, pk: int) -> HttpResponse:
    return _entry(request, _own(request), pk)


@login_required
def domain_trace(request: PanelRequest, name: str) -> HttpResponseBase:
    """Mail and logins of a domain, for its postmaster."""
    return _list(request, _of_domain(request, name))


@login_required
def domain_trace_entry(request: PanelRequest, name: str, pk: int) -> HttpResponse:
    return _entry(request, _of_domain(request, name), pk)


@superadmin_required
def server_trace(request: PanelRequest) -> HttpResponseBase:
    """All mail and logins."""
    return _list(request, _of_server(request))


@superadmin_required
def server_trace_entry(request: PanelRequest, pk: int) -> HttpResponse:
    return _entry(request, _of_server(request), pk)


def _list(request: PanelRequest, door: Door) -> HttpResponseBase:
    form = (OwnTraceForm if door.speaks_plainly else TraceForm)(request.GET)
    before = request.GET.get("before", "")
    entries = _found(form, door, before=int(before) if before.isdecimal() and len(before) < 19 else 0)
    if request.GET.get("format") in ("csv", "json"):
        found = entries[:MOST_EXPORTED].iterator(chunk_size=2000)
        return _export(masked(found, door.sight), door, request.GET["format"])
    rows = list(masked(entries[: ROWS_A_PAGE + 1], door.sight))
    asked = {name: text for name, text in request.GET.items() if name in form.fields and text}
    last = rows[ROWS_A_PAGE - 1].pk if len(rows) > ROWS_A_PAGE else 0
    values = {
        "form": form,
        "door": door,
        "domain": door.domain,
        "rows": [door.shown(entry) for entry in rows[:ROWS_A_PAGE]],
        "older": urlencode({**asked, "before": last}) if last else "",
        "newest": urlencode(asked) if before else None,
        "is_asked": bool(asked),
        "is_live": request.GET.get("live") == "1" and not before,
        "asked": urlencode(asked),
        "delay": NEXT_LOOK_SECONDS,
    }
    is_fragment = request.headers.get("HX-Request") == "true"
    return render(request, "maillog/_rows.html" if is_fragment else "maillog/list.html", values)


def _found(form: TraceForm, door: Door, *, before: int) -> QuerySet[Entry]:
    """Nothing while the form has a fault."""
    if form.is_valid():
        try:
            return find(form.question(), door.sight, before=before)
        except ActionRefused as refusal:
            add_refusal(form, refusal)
    return Entry.objects.none()


def _entry(request: PanelRequest, door: Door, pk: int) -> HttpResponse:
    entry = get_object_or_404(Entry.objects.visible_to(door.sight).select_related("lines"), pk=pk)
    steps = timeline_of(entry, door.sight, plainly.words_in_plain if door.speaks_plainly else None)
    entry = next(masked([entry], door.sight))
    values = {
        "door": door,
        "domain": door.domain,
        "shown": door.shown(entry),
        "entry": entry,
        "steps": [step for step in steps if step.words],
        "lines": [step.line for step in steps] if not door.speaks_plainly else [],
        "related": [door.shown(other) for other in _related(entry, door)],
        "back": door.url(),
    }
    return render(request, "maillog/entry.html", values)


def _related(entry: Entry, door: Door) -> list[Entry]:
    """Other ways of the same message: forwarded, answered, returned. It keeps its Message-ID. And how it was
    told to come again.
    """
    found = list(find(_greylisted(entry), door.sight)[:MOST_RELATED]) if entry.client else []
    if entry.message_id:
        found += find(Question(message_id=entry.message_id), door.sight).exclude(pk=entry.pk)[:MOST_RELATED]
    return list(masked([other for other in found if other.pk != entry.pk], door.sight))


def _greylisted(entry: Entry) -> Question:
    """Earlier tries of the same sender with the same recipient."""
    return Question(
        sender=entry.sender,
        recipient=entry.recipient,
        mechanism="greylist",
        since=entry.began_at - GREYLISTED_BEFORE,
        # Stamps are whole seconds: a try of the same second is an earlier one.
        until=entry.began_at + timedelta(seconds=1),
    )


def _export(rows: Iterator[Entry], door: Door, kind: str) -> StreamingHttpResponse:
    """CSV is for people and in their language; JSON is for programs and stays as it is."""
    if kind == "csv":
        return csv_response("trace.csv", *spreadsheet(map(door.shown, rows), is_plain=door.speaks_plainly))
    response = StreamingHttpResponse(_json(rows), content_type="application/json")
    response["Content-Disposition"] = 'attachment; filename="trace.json"'
    return response


def _json(entries: Iterator[Entry]) -> Iterator[str]:
    yield "["
    for number, row in enumerate(rows_of(entries)):
        yield (",\n" if number else "\n") + json.dumps(row, ensure_ascii=False)
    yield "\n]\n"
