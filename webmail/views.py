"""From the panel into a webmail."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from audit import record as audit
from qmailux_site.middleware import PanelRequest
from webmail.catalogue import find_offered
from webmail.entering import enter_by_token


@never_cache
@login_required
@require_POST
def webmail_open(request: PanelRequest) -> HttpResponse:
    """One click, no password. Somebody who acts for the owner is named in the audit and in Dovecot's log."""
    account, actor = request.user, request.actor
    actor.must_write()
    webmail = find_offered(request.POST.get("webmail", ""), account.domain)
    if webmail is None:
        raise Http404
    if not account.has_mailbox or account.domain is None:
        return redirect("home")
    audit.record(actor, "webmail.opened", account.address, scope=account.domain.name, name=webmail.title)
    acting = actor.real if actor.acting_as is not None else None
    return enter_by_token(request, account, webmail.name, acting=acting)
