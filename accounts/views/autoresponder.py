"""The user's autoresponder."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts import actions
from accounts.forms import AutoresponderForm, add_refusal, autoresponder_of
from accounts.models import Account, Autoresponder
from accounts.views.life import life_fragment, life_of_account
from qmailux_site.errors import ActionRefused
from qmailux_site.middleware import PanelRequest


@login_required
def autoresponder(request: PanelRequest) -> HttpResponse:
    """What people are answered while I am away."""
    account = request.user
    if not account.has_mailbox:
        raise PermissionDenied
    form = AutoresponderForm(request.POST or None, initial=autoresponder_of(account))
    if form.is_valid():
        try:
            actions.set_autoresponder(account, **form.settings(), by=request.actor)
        except ActionRefused as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, _("The autoresponder is saved."))
            return redirect("autoresponder")
    return render(request, "accounts/autoresponder.html", {"form": form, **_values(account)})


@login_required
@require_POST
def autoresponder_forget(request: PanelRequest) -> HttpResponse:
    """Everybody is answered anew."""
    actions.forget_answered(request.user, by=request.actor)
    messages.success(request, _("Everybody is answered anew."))
    return redirect("autoresponder")


@login_required
def autoresponder_life(request: PanelRequest) -> HttpResponse:
    """The fragment that shows whether my last change is live."""
    return life_fragment(request, _values(request.user))


def _values(account: Account) -> dict[str, object]:
    saved = Autoresponder.objects.filter(account=account).first()
    return {
        "account": account,
        "life": life_of_account(account),
        "saved": saved,
        "saved_at": saved.changed_at if saved else None,
        "is_over": bool(saved and saved.ends_on and saved.ends_on < timezone.localdate()),
    }
