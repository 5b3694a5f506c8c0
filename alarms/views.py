"""What is wrong with the server, and who is told of it."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from accounts.forms import add_refusal
from alarms import actions
from alarms.forms import AlarmSettingsForm, initial_of
from alarms.models import Alarm, AlarmMessage, settings_in_force
from alarms.words import told
from qmailux_site.errors import ActionRefused
from qmailux_site.middleware import PanelRequest
from qmailux_site.pages import newest_first, superadmin_required

MOST_UNDELIVERED = 10


@superadmin_required
def alarms(request: PanelRequest) -> HttpResponse:
    """Open ones, and what is over."""
    visible = Alarm.objects.visible_to(request.actor)
    page = newest_first(visible.past(), request)
    undelivered = AlarmMessage.objects.filter(alarm__in=visible, delivered_at=None).exclude(error="")
    values = {
        "open": [told(alarm) for alarm in visible.open()],
        "page": page,
        "past": [told(alarm) for alarm in page.rows],
        "undelivered": undelivered.order_by("-id")[:MOST_UNDELIVERED],
        "chosen": settings_in_force(),
    }
    return render(request, "alarms/list.html", values)


@superadmin_required
@require_POST
def alarm_acknowledge(request: PanelRequest, pk: int) -> HttpResponse:
    """I take care of it."""
    alarm = get_object_or_404(Alarm.objects.visible_to(request.actor), pk=pk)
    actions.acknowledge_alarm(alarm, by=request.actor)
    messages.success(request, _("The others see that you take care of it."))
    return redirect("alarms")


@sensitive_post_parameters()
@superadmin_required
def alarm_settings(request: PanelRequest) -> HttpResponse:
    """Who is told, and from when on."""
    chosen = settings_in_force()
    form = AlarmSettingsForm(request.POST or None, initial=initial_of(chosen))
    if form.is_valid():
        try:
            actions.set_alarm_settings(**form.chosen(), by=request.actor)
        except ActionRefused as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, _("Saved. Send a test to see that it arrives."))
            return redirect("alarm-settings")
    return render(request, "alarms/settings.html", {"form": form, "chosen": chosen})


@superadmin_required
@require_POST
def alarm_test(request: PanelRequest) -> HttpResponse:
    """One message in every way."""
    try:
        actions.send_test_alarm(by=request.actor)
    except ActionRefused as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(
            request, _("The test is on its way. What cannot be delivered is shown under Alarms.")
        )
    return redirect("alarm-settings")
