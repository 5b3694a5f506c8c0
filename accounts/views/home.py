"""The user's own pages."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from accounts.actions import change_password
from accounts.forms import OwnPasswordForm, add_refusal
from accounts.models import Account, MailboxUsage
from accounts.passwords import check_policy, strength
from accounts.switchedon import switches_of
from accounts.views.life import life_fragment, life_of_account
from accounts.views.mail_programs import has_own_authority, mail_servers
from qmailux_site.errors import ActionRefused
from qmailux_site.middleware import PanelRequest
from webmail.catalogue import offered_to


@login_required
def home(request: PanelRequest) -> HttpResponse:
    """What is going on with my account."""
    account = request.user
    if not account.has_mailbox:
        return redirect("server" if account.is_superuser else "domains")
    values = {
        "account": account,
        "domain_is_locked": account.domain is not None and account.domain.is_locked,
        "life": life_of_account(account),
        "usage": usage_of(account),
        "switches": switches_of(account),
        "last_logins": account.last_logins.all(),
        "servers": [server for server in mail_servers() if server.is_recommended],
        "has_own_authority": has_own_authority(),
        # Into a mailbox one does not go looking only: it would be written in (read flags, drafts).
        "webmails": offered_to(account.domain) if request.actor.writes_allowed else [],
    }
    return render(request, "accounts/home.html", values)


@sensitive_post_parameters()
@login_required
def password(request: PanelRequest) -> HttpResponse:
    """Change my own password; this session stays, all others end."""
    form = OwnPasswordForm(request.POST or None, account=request.user)
    if form.is_valid():
        try:
            change_password(request.user, password=form.cleaned_data["password"], by=request.actor)
        except ActionRefused as refusal:
            add_refusal(form, refusal)
        else:
            update_session_auth_hash(request, request.user)
            messages.success(request, _("The new password is saved. Mail programs will ask for it."))
            return redirect("password")
    return render(request, "accounts/password.html", {"form": form, **_change(request.user)})


@sensitive_post_parameters()
@login_required
@require_POST
def password_strength(request: PanelRequest) -> HttpResponse:
    """The fragment beside a password that is being typed: how good it is, or why it would be refused."""
    typed = request.POST.get("password", "")
    reason = ""
    try:
        check_policy(typed, address=request.user.address, name=request.user.name)
    except ActionRefused as refusal:
        reason = refusal.message
    value = 0 if reason else strength(typed)
    words = [_("too weak"), _("weak"), _("fair"), _("good"), _("very good")]
    values = {"strength": value, "word": words[value], "reason": reason}
    return render(request, "accounts/_strength.html", values)


@login_required
def password_life(request: PanelRequest) -> HttpResponse:
    """The fragment that shows whether my last change is live."""
    return life_fragment(request, _change(request.user))


def _change(account: Account) -> dict[str, object]:
    return {"life": life_of_account(account), "saved_at": account.password_changed_at}


def usage_of(account: Account) -> dict[str, object] | None:
    """Used space, messages and the time of the count; None before the first one."""
    counted_at = account.domain.node.usage_counted_at if account.domain else None
    if counted_at is None:
        return None
    usage = MailboxUsage.objects.filter(account=account).first()
    return {
        "used_bytes": usage.used_bytes if usage else 0,
        "message_count": usage.message_count if usage else 0,
        "counted_at": counted_at,
    }
