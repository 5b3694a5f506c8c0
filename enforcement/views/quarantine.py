"""One click: suspected mail leaves by the address that is kept for it. The superadmin's."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.models import Account
from accounts.views.manage import managed_account_of
from domains.models import Domain
from domains.views import domain_of
from enforcement import actions
from qmailux_site.errors import ActionRefused
from qmailux_site.middleware import PanelRequest
from qmailux_site.pages import superadmin_required


@superadmin_required
@require_POST
def account_quarantine(request: PanelRequest, name: str, pk: int) -> HttpResponse:
    _switch(request, managed_account_of(request, name, pk))
    return redirect("account-brake", name, pk)


@superadmin_required
@require_POST
def domain_quarantine(request: PanelRequest, name: str) -> HttpResponse:
    _switch(request, domain_of(request, name))
    return redirect("domain-addresses", name)


def _switch(request: PanelRequest, owner: Account | Domain) -> None:
    if request.POST.get("on") != "yes":
        actions.end_quarantine(owner, by=request.actor)
        messages.success(request, _("Mail of %(who)s leaves as before.") % {"who": owner})
        return
    try:
        row = actions.begin_quarantine(owner, by=request.actor)
    except ActionRefused as refusal:
        messages.error(request, refusal.message)
        return
    sentence = _("Mail of %(who)s leaves by %(address)s from now on.")
    messages.success(request, sentence % {"who": owner, "address": row.address.address})
