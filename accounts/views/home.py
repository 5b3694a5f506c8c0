"""The user's own pages."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from accounts.actions import change_password
from accounts.forms import OwnPasswordForm, add_refusal
from accounts.models import Account
from accounts.passwords import normalise
from provisioning.life import Life, life_of
from qmailux_site.errors import ActionRefused
from qmailux_site.middleware import PanelRequest


@login_required
def home(request: PanelRequest) -> HttpResponse:
    """What is going on with my account."""
    if not request.user.has_mailbox:
        return redirect("server" if request.user.is_superuser else "domains")
    return render(request, "accounts/home.html", {"account": request.user, "life": _life(request.user)})


@login_required
def password(request: PanelRequest) -> HttpResponse:
    """Change my own password; this session stays, all others end."""
    form = OwnPasswordForm(request.POST or None)
    if form.is_valid():
        if not request.user.check_password(normalise(form.cleaned_data["current"])):
            form.add_error("current", _("This is not your current password."))
        else:
            try:
                change_password(request.user, password=form.cleaned_data["password"], by=request.actor)
            except ActionRefused as refusal:
                add_refusal(form, refusal)
            else:
                update_session_auth_hash(request, request.user)
                messages.success(request, _("The password is saved. Mail programs will ask for it."))
                return redirect("password")
    return render(request, "accounts/password.html", {"form": form, "life": _life(request.user)})


@login_required
def password_life(request: PanelRequest) -> HttpResponse:
    """The fragment that shows whether my last change is live."""
    return render(request, "_life.html", {"life": _life(request.user)})


def _life(account: Account) -> Life | None:
    return life_of(account.domain.scope, account.address) if account.domain else None
