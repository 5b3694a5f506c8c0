"""The second factor: the step after the password, and the page that turns it on and off."""

from __future__ import annotations

import base64
import time

import segno
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_POST
from django_otp import match_token
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts import actions
from accounts.actions.second_factor import is_second_factor_required
from accounts.door import may_enter
from accounts.forms import CodeForm, CurrentPasswordForm, add_refusal
from accounts.models import Account, LastLogin
from qmailux_site.errors import ActionRefused
from qmailux_site.middleware import PanelRequest, client_address
from webmail.entering import enter_by_token

BACKEND = "accounts.backends.AddressBackend"
WAITING = "waiting_for_code"
WANTED_WEBMAIL = "wanted_webmail"
CODE_SECONDS = 600


def wait_for_code(
    request: HttpRequest, account: Account, next_url: str, *, webmail: str = ""
) -> HttpResponse:
    """The password was right: remember that in the session, and ask for the code. Nobody is logged in yet.

    webmail: the one that the person wants to go to.
    """
    request.session.cycle_key()
    hash_text = account.get_session_auth_hash()
    request.session[WAITING] = [account.pk, int(time.time()), hash_text, next_url]
    request.session[WANTED_WEBMAIL] = webmail
    return redirect("login-code")


def note_panel_login(request: HttpRequest, account: Account) -> None:
    """For the owner to see; no change of anything."""
    seen = {"address": client_address(request) or "", "at": timezone.now()}
    LastLogin.objects.update_or_create(account=account, protocol=LastLogin.PANEL, defaults=seen)
    Account.objects.filter(pk=account.pk).update(logged_in_at=seen["at"])


@sensitive_post_parameters()
@never_cache
def login_code(request: HttpRequest) -> HttpResponse:
    """The code of the phone, or a recovery code; wrong ones are answered slower and slower (django-otp)."""
    account, next_url = _waiting(request)
    if account is None:
        return redirect("login")
    form = CodeForm(request.POST or None)
    if form.is_valid():
        if match_token(account, form.cleaned_data["code"]) is not None:
            del request.session[WAITING]
            if webmail := request.session.pop(WANTED_WEBMAIL, ""):
                return enter_by_token(request, account, webmail)
            login(request, account, backend=BACKEND)
            note_panel_login(request, account)
            return redirect(next_url)
        form.add_error("code", _("This code is wrong or has run out. Wait a moment and enter a new one."))
    return render(request, "accounts/login_code.html", {"form": form})


@sensitive_variables("codes")
@never_cache
@login_required
def second_factor(request: PanelRequest) -> HttpResponse:
    """Turn it on: scan, enter a code, keep the recovery codes, which are shown once."""
    account = request.user
    if account.second_factor_at is not None:
        return _on_page(request, _off_form(request))
    device = actions.begin_second_factor(account, by=request.actor)
    form = CodeForm(request.POST or None)
    if form.is_valid():
        try:
            codes = actions.turn_on_second_factor(account, code=form.cleaned_data["code"], by=request.actor)
            return render(request, "accounts/recovery_codes.html", {"account": account, "codes": codes})
        except ActionRefused as refusal:
            add_refusal(form, refusal)
    values = {
        "account": account,
        "form": form,
        "picture": _picture(device.config_url),
        "key": _key(device),
        "programs": _logins_of_programs(account),
    }
    return render(request, "accounts/second_factor.html", values)


@sensitive_post_parameters()
@login_required
@require_POST
def second_factor_off(request: PanelRequest) -> HttpResponse:
    """The password is asked: a panel left open must not be enough."""
    form = _off_form(request)
    if not form.is_valid():
        return _on_page(request, form)
    actions.turn_off_second_factor(request.user, by=request.actor)
    messages.success(request, _("Two-step login is off: your password alone opens panel and mailbox."))
    return redirect("second-factor")


def _logins_of_programs(account: Account) -> list[LastLogin]:
    """By which doors mail programs came in last; the webmails of this server get in by the panel."""
    own = settings.QMAILUX_LAYOUT.own_address
    return list(account.last_logins.exclude(protocol=LastLogin.PANEL).exclude(address=own))


def _on_page(request: PanelRequest, form: CurrentPasswordForm) -> HttpResponse:
    is_required = is_second_factor_required(request.user)
    values = {"account": request.user, "form": form, "is_required": is_required}
    return render(request, "accounts/second_factor.html", values)


def _off_form(request: PanelRequest) -> CurrentPasswordForm:
    return CurrentPasswordForm(request.POST or None, account=request.user)


def _waiting(request: HttpRequest) -> tuple[Account | None, str]:
    """Who has given the right password lately; not if it was changed or the account locked since."""
    pk, since, hash_text, next_url = request.session.get(WAITING, (None, 0, "", "home"))
    account = Account.objects.select_related("domain").filter(pk=pk).first() if pk else None
    if account is None or time.time() - since > CODE_SECONDS or not may_enter(account):
        return None, ""
    is_same = constant_time_compare(hash_text, account.get_session_auth_hash())
    return (account, next_url) if is_same else (None, "")


def _key(device: TOTPDevice) -> str:
    """As apps take it, in groups to be typed."""
    text = base64.b32encode(device.bin_key).decode("ascii").rstrip("=")
    return " ".join(text[start : start + 4] for start in range(0, len(text), 4))


def _picture(url: str) -> SafeString:
    svg = segno.make(url, micro=False).svg_inline(omitsize=True, dark="#000", light="#fff")
    return mark_safe(svg)  # noqa: S308  # drawn by segno: squares, nothing of the text
