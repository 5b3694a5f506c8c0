"""The user's page of the last messages: what they scored and why, and what to do about it."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from antispam import actions
from antispam.models import TaughtBatch
from antispam.verdicts import last_verdicts
from qmailux_site.middleware import PanelRequest


@login_required
def spam_messages(request: PanelRequest) -> HttpResponse:
    """What my last messages scored, and why."""
    if not request.user.has_mailbox:
        raise PermissionDenied
    return render(request, "antispam/messages.html", {"verdicts": last_verdicts(request.actor)})


@login_required
@require_POST
def spam_teach(request: PanelRequest) -> HttpResponse:
    """One of them is taught, as if it were put into the folder for it."""
    kind = request.POST.get("kind", "")
    if kind not in TaughtBatch.Kind.values or not request.user.has_mailbox:
        raise Http404
    actions.ask_to_teach(
        request.user,
        message_id=request.POST.get("message_id", ""),
        kind=TaughtBatch.Kind(kind),
        by=request.actor,
    )
    messages.success(request, _("The server learns from the message within seconds."))
    return redirect("spam-messages")
