"""The user's forwarding."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from accounts import actions
from accounts.forms import add_refusal
from accounts.models import Account, Forwarding
from accounts.target_forms import ForwardingForm, forwarding_of
from accounts.views.life import life_fragment, life_of_account
from qmailux_site.errors import ActionRefused
from qmailux_site.middleware import PanelRequest


@login_required
def forwarding(request: PanelRequest) -> HttpResponse:
    """Where my mail goes besides, or instead of, this mailbox."""
    account = request.user
    if not account.has_mailbox:
        raise PermissionDenied
    form = ForwardingForm(request.POST or None, initial=forwarding_of(account))
    if form.is_valid():
        try:
            actions.set_forwarding(account, **form.cleaned_data, seen=form.seen(), by=request.actor)
        except ActionRefused as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, _("The forwarding is saved."))
            return redirect("forwarding")
    return render(request, "accounts/forwarding.html", {"form": form, **_change(account)})


@login_required
def forwarding_life(request: PanelRequest) -> HttpResponse:
    """The fragment that shows whether my last change is live."""
    return life_fragment(request, _change(request.user))


def _change(account: Account) -> dict[str, object]:
    found = Forwarding.objects.filter(account=account).first()
    return {"life": life_of_account(account), "saved_at": found.changed_at if found else None}
