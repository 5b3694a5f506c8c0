"""Where somebody is logged in to the panel: the own sessions, and everybody's for the superadmin."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from accounts import actions
from accounts.browsing import PanelSession
from qmailux_site.middleware import PanelRequest
from qmailux_site.pages import newest_first, search_of, superadmin_required


@login_required
def sessions(request: PanelRequest) -> HttpResponse:
    """Mine, the newest first."""
    mine = PanelSession.objects.visible_to(request.actor).filter(account=request.user).alive()
    values = {"rows": mine.order_by("-seen_at"), "current": request.session.session_key}
    return render(request, "accounts/sessions.html", values)


@superadmin_required
def server_sessions(request: PanelRequest) -> HttpResponse:
    """Everybody's."""
    search = search_of(request)
    found = PanelSession.objects.visible_to(request.actor).alive().search(search)
    page = newest_first(found.select_related("account"), request, search=search)
    values = {"page": page, "current": request.session.session_key}
    return render(request, "accounts/server_sessions.html", values)


@login_required
@require_POST
def session_revoke(request: PanelRequest, pk: int) -> HttpResponse:
    """It ends at its next request."""
    visible = PanelSession.objects.visible_to(request.actor).select_related("account__domain")
    session = get_object_or_404(visible, pk=pk)
    actions.revoke_session(session, by=request.actor)
    messages.success(request, _("The session is ended: its next click asks for the password."))
    return redirect("sessions" if session.account_id == request.user.pk else "server-sessions")


@login_required
@require_POST
def sessions_end_others(request: PanelRequest) -> HttpResponse:
    """Everywhere but here."""
    kept = request.session.session_key or ""
    count = actions.revoke_other_sessions(request.user, kept_key=kept, by=request.actor)
    text = ngettext("%(count)d other session is ended.", "%(count)d other sessions are ended.", count)
    messages.success(request, text % {"count": count})
    return redirect("sessions")
