"""SMTP sessions of one client word for word, for the superadmin."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from accounts.forms import add_refusal
from maillog.access import sight_of
from maillog.debugging import end_debugging, running, start_debugging
from maillog.forms import DebugForm
from maillog.models import Debugging, Entry, Kind
from maillog.timeline import Step, timeline_of
from qmailux_site.errors import ActionRefused
from qmailux_site.middleware import PanelRequest
from qmailux_site.pages import superadmin_required

MOST_SHOWN = 10
NEXT_LOOK_SECONDS = 2


@superadmin_required
def smtp_debug(request: PanelRequest) -> HttpResponse:
    """Whose dialogues are logged, the last of them, and a form to begin."""
    form = DebugForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            start_debugging(by=request.actor, **form.cleaned_data)
        except ActionRefused as refusal:
            add_refusal(form, refusal)
        else:
            return redirect("smtp-debug")
    values = {
        "form": form,
        "running": running(),
        "dialogues": _dialogues(request),
        "delay": NEXT_LOOK_SECONDS,
        "now": timezone.now(),
    }
    is_fragment = request.headers.get("HX-Request") == "true"
    return render(request, "maillog/_dialogues.html" if is_fragment else "maillog/debug.html", values)


@superadmin_required
@require_POST
def smtp_debug_end(request: PanelRequest, pk: int) -> HttpResponse:
    end_debugging(get_object_or_404(Debugging, pk=pk), by=request.actor)
    return redirect("smtp-debug")


def _dialogues(request: PanelRequest) -> list[tuple[Entry, list[Step]]]:
    """The newest first."""
    sight = sight_of(request.actor)
    found = Entry.objects.visible_to(sight).filter(kind=Kind.DEBUG).select_related("lines")
    return [(entry, timeline_of(entry, sight)) for entry in found[:MOST_SHOWN]]
