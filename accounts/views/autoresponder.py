"""The autoresponder: the user's own, and the postmaster's setting of somebody's."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts import actions
from accounts.answered import AnsweredSender
from accounts.forms import AutoresponderForm, add_refusal, autoresponder_of
from accounts.models import Account, Autoresponder
from accounts.views.life import life_fragment, life_of_account
from accounts.views.manage import managed_account_of
from qmailux_site.errors import ActionRefused
from qmailux_site.middleware import PanelRequest

ANSWERED_SHOWN = 200


@login_required
def autoresponder(request: PanelRequest) -> HttpResponse:
    """What people are answered while I am away."""
    account = request.user
    if not account.has_mailbox:
        raise PermissionDenied
    form = AutoresponderForm(request.POST or None, initial=autoresponder_of(account))
    if _was_saved(request, account, form):
        return redirect("autoresponder")
    answered = AnsweredSender.objects.visible_to(request.actor).filter(autoresponder__account=account)
    values = {
        "form": form,
        "preview": _preview(request, form),
        "answered": answered.remembered()[:ANSWERED_SHOWN],
        "answered_known_at": account.domain.node.usage_counted_at if account.domain else None,
        **_values(account),
    }
    return render(request, "accounts/autoresponder.html", values)


@login_required
def account_autoresponder(request: PanelRequest, name: str, pk: int) -> HttpResponse:
    """The same for somebody of the domain. Whom it has answered is shown to the owner alone."""
    person = managed_account_of(request, name, pk)
    if not person.has_mailbox:
        raise PermissionDenied
    form = AutoresponderForm(request.POST or None, initial=autoresponder_of(person))
    if _was_saved(request, person, form):
        return redirect("account-autoresponder", name, pk)
    values = {
        "form": form,
        "preview": _preview(request, form),
        "domain": person.domain,
        **_values(person),
    }
    return render(request, "accounts/account_autoresponder.html", values)


@login_required
@require_POST
def autoresponder_forget(request: PanelRequest) -> HttpResponse:
    """Everybody is answered anew."""
    actions.forget_answered(request.user, by=request.actor)
    messages.success(request, _("Everybody is answered anew."))
    return redirect("autoresponder")


@login_required
@require_POST
def autoresponder_forget_sender(request: PanelRequest, pk: int) -> HttpResponse:
    """The next letter of this one sender is answered."""
    sender = get_object_or_404(AnsweredSender.objects.visible_to(request.actor), pk=pk)
    try:
        actions.forget_answered_sender(sender, by=request.actor)
    except ActionRefused as refusal:
        messages.error(request, refusal.message)
    else:
        sentence = _("%(address)s is answered again at the next letter.")
        messages.success(request, sentence % {"address": sender.address})
    return redirect("autoresponder")


@login_required
def autoresponder_life(request: PanelRequest) -> HttpResponse:
    """The fragment that shows whether my last change is live."""
    return life_fragment(request, _values(request.user))


def _was_saved(request: PanelRequest, account: Account, form: AutoresponderForm) -> bool:
    """Asked for a preview, the page comes back with what was typed, and nothing is saved."""
    if "preview" in request.POST or not form.is_valid():
        return False
    try:
        actions.set_autoresponder(account, **form.settings(), by=request.actor)
    except ActionRefused as refusal:
        add_refusal(form, refusal)
        return False
    messages.success(request, _("The autoresponder is saved."))
    return True


def _preview(request: PanelRequest, form: AutoresponderForm) -> dict[str, object] | None:
    return form.cleaned_data if "preview" in request.POST and form.is_valid() else None


def _values(account: Account) -> dict[str, object]:
    saved = Autoresponder.objects.filter(account=account).first()
    return {
        "account": account,
        "life": life_of_account(account),
        "saved": saved,
        "saved_at": saved.changed_at if saved else None,
        "is_over": bool(saved and saved.ends_on and saved.ends_on < timezone.localdate()),
    }
