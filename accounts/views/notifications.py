"""The user's SMS about new mail."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts import actions
from accounts.forms import CodeForm, add_refusal
from accounts.notification_forms import NotificationForm, NumberForm, notification_of
from accounts.notifying import Notification, SmsGateway
from accounts.smsquota import sms_left
from accounts.views.life import life_fragment, life_of_account
from qmailux_site.errors import ActionRefused
from qmailux_site.middleware import PanelRequest

MESSAGES_SHOWN = 20


@login_required
def notifications(request: PanelRequest) -> HttpResponse:
    """For which mail, and when."""
    if not request.user.has_mailbox:
        raise PermissionDenied
    form = NotificationForm(request.POST or None, initial=notification_of(request.user))
    if form.is_valid():
        try:
            actions.set_notification(request.user, settings=form.settings(), by=request.actor)
            messages.success(request, _("The settings are saved."))
            return redirect("notifications")
        except ActionRefused as refusal:
            add_refusal(form, refusal)
    return _page(request, form=form)


@login_required
@require_POST
def notification_number(request: PanelRequest) -> HttpResponse:
    """A code goes to the number."""
    form = NumberForm(request.POST)
    if form.is_valid():
        try:
            number = form.cleaned_data["number"]
            actions.set_notification_number(request.user, number=number, by=request.actor)
            return redirect("notifications")
        except ActionRefused as refusal:
            add_refusal(form, refusal)
    return _page(request, number_form=form)


@login_required
@require_POST
def notification_confirm(request: PanelRequest) -> HttpResponse:
    """The code that came by SMS."""
    form = CodeForm(request.POST)
    if form.is_valid():
        try:
            code = form.cleaned_data["code"]
            actions.confirm_notification_number(request.user, code=code, by=request.actor)
            messages.success(request, _("The number is confirmed."))
            return redirect("notifications")
        except ActionRefused as refusal:
            add_refusal(form, refusal)
    return _page(request, code_form=form)


@login_required
@require_POST
def notification_remove(request: PanelRequest) -> HttpResponse:
    actions.remove_notification(request.user, by=request.actor)
    messages.success(request, _("The number is forgotten, and no SMS goes there."))
    return redirect("notifications")


@login_required
def notifications_life(request: PanelRequest) -> HttpResponse:
    """The fragment that shows whether my last change is live."""
    return life_fragment(request, {"life": life_of_account(request.user)})


def _page(request: PanelRequest, **forms: object) -> HttpResponse:
    account = request.user
    values = {
        "notification": Notification.objects.filter(account=account).first(),
        "has_gateway": SmsGateway.objects.filter(is_on=True).exists(),
        "left": sms_left(account),
        "sms_messages": account.sms_messages.all()[:MESSAGES_SHOWN],
        "life": life_of_account(account),
        "form": NotificationForm(initial=notification_of(account)),
        "number_form": NumberForm(),
        "code_form": CodeForm(),
        **forms,
    }
    return render(request, "accounts/notifications.html", values)
