"""A forgotten password: the way back in, and the owner's page that prepares it."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_POST

from accounts import actions
from accounts.actions.recovery import reset_again, reset_by_link
from accounts.actor import Actor
from accounts.forms import CodeForm, CurrentPasswordForm, add_refusal
from accounts.models import Account
from accounts.recovering import PasswordReset, RecoveryAddress
from accounts.recovery_forms import ChosenPasswordForm, ForgottenForm, OneTimeCodeForm, RecoveryAddressForm
from accounts.views.manage import account_of
from accounts.views.second_factor import BACKEND, note_panel_login
from provisioning.questions import ask_for_letters
from qmailux_site.errors import ActionRefused, NotAllowed
from qmailux_site.middleware import PanelRequest, client_address

RESETTING = "resetting"


# --- At the door --------------------------------------------------------------------------------------------


@never_cache
def forgotten(request: HttpRequest) -> HttpResponse:
    """Asks for a link. The answer is the same for every address, whether it exists or not."""
    form = ForgottenForm(request.POST or None)
    is_asked = False
    if form.is_valid():
        try:
            actions.ask_for_reset(login=form.cleaned_data["address"], by=_at_the_door(request))
            ask_for_letters()
            is_asked = True
        except ActionRefused as refusal:
            add_refusal(form, refusal)
    return render(request, "accounts/forgotten.html", {"form": form, "is_asked": is_asked})


@never_cache
def forgotten_link(request: HttpRequest, secret: str) -> HttpResponse:
    """The mailed link. Looking at it spends nothing: mail programs look at links by themselves."""
    reset = reset_by_link(secret)
    if reset is None:
        return render(request, "accounts/forgotten_over.html", status=410)
    return _opened(request, reset)


@sensitive_post_parameters("code")
@never_cache
def forgotten_code(request: HttpRequest) -> HttpResponse:
    """The one-time code from the postmaster."""
    form = OneTimeCodeForm(request.POST or None)
    if form.is_valid():
        address, code = form.cleaned_data["address"], form.cleaned_data["code"]
        try:
            return _opened(request, actions.reset_by_code(login=address, code=code, by=_at_the_door(request)))
        except ActionRefused as refusal:
            add_refusal(form, refusal)
    return render(request, "accounts/forgotten_code.html", {"form": form})


@sensitive_post_parameters()
@sensitive_variables("form")
@never_cache
def forgotten_password(request: HttpRequest) -> HttpResponse:
    """A new password, chosen by who came in by a link or a code; with it the owner is logged in."""
    reset = _resetting(request)
    if reset is None:
        return render(request, "accounts/forgotten_over.html", status=410)
    account = reset.account
    form = ChosenPasswordForm(request.POST or None, asks_code=account.second_factor_at is not None)
    if form.is_valid():
        chosen = {name: form.cleaned_data[name] for name in ("password", "code") if name in form.cleaned_data}
        by = Actor(real=account, channel="panel", address=client_address(request) or "")
        try:
            actions.reset_password(reset, **chosen, by=by)
        except ActionRefused as refusal:
            add_refusal(form, refusal)
        else:
            return _logged_in(request, account)
    return render(request, "accounts/forgotten_password.html", {"form": form, "account": account})


def _at_the_door(request: HttpRequest) -> Actor:
    return Actor(real=None, channel="panel", address=client_address(request) or "")


def _opened(request: HttpRequest, reset: PasswordReset) -> HttpResponse:
    """The secret leaves the address bar; the session remembers what it opened."""
    request.session[RESETTING] = [reset.pk, reset.secret_hash]
    return redirect("forgotten-password")


def _resetting(request: HttpRequest) -> PasswordReset | None:
    pk, secret_hash = request.session.get(RESETTING, (0, ""))
    return reset_again(pk, secret_hash)


def _logged_in(request: HttpRequest, account: Account) -> HttpResponse:
    request.session.flush()
    login(request, account, backend=BACKEND)
    note_panel_login(request, account)
    messages.success(request, _("The new password is saved. Mail programs will ask for it."))
    return redirect("home")


# --- The owner's page ---------------------------------------------------------------------------------------


@sensitive_post_parameters("current")
@never_cache
@login_required
def recovery(request: PanelRequest) -> HttpResponse:
    """Where a link would go; another address is confirmed by a code that is mailed there."""
    form = RecoveryAddressForm(request.POST or None, account=request.user)
    if form.is_valid():
        try:
            actions.set_recovery_address(request.user, address=form.cleaned_data["address"], by=request.actor)
            ask_for_letters()
            return redirect("recovery")
        except ActionRefused as refusal:
            add_refusal(form, refusal)
    return _recovery_page(request, form=form)


@login_required
@require_POST
def recovery_confirm(request: PanelRequest) -> HttpResponse:
    """The code that was mailed to the pending address."""
    form = CodeForm(request.POST)
    if form.is_valid():
        try:
            actions.confirm_recovery_address(request.user, code=form.cleaned_data["code"], by=request.actor)
            messages.success(request, _("The recovery address is confirmed."))
            return redirect("recovery")
        except ActionRefused as refusal:
            add_refusal(form, refusal)
    return _recovery_page(request, code_form=form)


@sensitive_post_parameters()
@login_required
@require_POST
def recovery_remove(request: PanelRequest) -> HttpResponse:
    """The password is asked here too."""
    form = CurrentPasswordForm(request.POST, account=request.user, prefix="remove")
    if not form.is_valid():
        return _recovery_page(request, remove_form=form)
    actions.remove_recovery_address(request.user, by=request.actor)
    messages.success(request, _("The recovery address is removed."))
    return redirect("recovery")


@sensitive_variables("code")
@never_cache
@login_required
@require_POST
def account_recovery_code(request: PanelRequest, name: str, pk: int) -> HttpResponse:
    """The postmaster's one-time code for somebody who calls; shown once."""
    person = account_of(request, name, pk)
    code = actions.make_recovery_code(person, by=request.actor)
    values = {"domain": person.domain, "account": person, "code": code}
    return render(request, "accounts/recovery_code.html", values)


@login_required
@require_POST
def account_reset_start(request: PanelRequest, name: str, pk: int) -> HttpResponse:
    """The owner gets a link by mail; who clicks here learns nothing of it."""
    person = account_of(request, name, pk)
    try:
        actions.start_password_reset(person, by=request.actor)
    except NotAllowed:
        raise
    except ActionRefused as refusal:
        messages.error(request, refusal.message)
    else:
        ask_for_letters()
        sentence = _("A link for a new password goes to the address that %(address)s has confirmed.")
        messages.success(request, sentence % {"address": person.address})
    return redirect("account", name, pk)


def _recovery_page(request: PanelRequest, **forms: object) -> HttpResponse:
    account = request.user
    values = {
        "recovery": RecoveryAddress.objects.filter(account=account).first(),
        "domain": account.domain,
        "form": RecoveryAddressForm(account=account),
        "code_form": CodeForm(),
        "remove_form": CurrentPasswordForm(account=account, prefix="remove"),
        **forms,
    }
    return render(request, "accounts/recovery.html", values)
