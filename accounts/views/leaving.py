"""Somebody leaves: one form for everything."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from accounts import actions
from accounts.addresses import parse_address
from accounts.forms import add_refusal
from accounts.leaving_forms import LeaveForm, leaving_of
from accounts.models import Account
from accounts.views.manage import managed_account_of
from qmailux_site.errors import ActionRefused
from qmailux_site.middleware import PanelRequest


@login_required
def account_leave(request: PanelRequest, name: str, pk: int) -> HttpResponse:
    """Locks, answers, hands on and copies; the account's page then says how far it is."""
    person = managed_account_of(request, name, pk)
    if not person.has_mailbox:
        raise PermissionDenied
    form = LeaveForm(request.POST or None, initial=leaving_of(person))
    if form.is_valid():
        chosen = dict(form.cleaned_data)
        try:
            chosen["colleague"] = _colleague(request, chosen["colleague"])
            actions.begin_departure(person, **chosen, by=request.actor)
        except ActionRefused as refusal:
            add_refusal(form, refusal)
        else:
            sentence = _("%(address)s is locked, and its mail goes to %(colleague)s.")
            names = {"address": person.address, "colleague": chosen["colleague"].address}
            messages.success(request, sentence % names)
            return redirect("account", name, pk)
    values = {"domain": person.domain, "account": person, "form": form}
    return render(request, "accounts/leave.html", values)


def _colleague(request: PanelRequest, typed: str) -> Account | None:
    """None where it is nobody whom the person sees: the same answer as for nobody at all."""
    address = str(parse_address(typed, field="colleague"))
    people = Account.objects.visible_to(request.actor).select_related("domain__node")
    return people.filter(address=address).first()
