"""The superadmin's gateways for SMS, and a button that tries one."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from accounts import actions
from accounts.forms import add_refusal
from accounts.notification_forms import GatewayTrialForm
from accounts.notifying import SmsGateway
from accounts.smstrials import run_trials
from qmailux_site.errors import ActionRefused
from qmailux_site.middleware import PanelRequest
from qmailux_site.pages import superadmin_required


@never_cache
@superadmin_required
def sms_gateways(request: PanelRequest) -> HttpResponse:
    """In the order in which they are tried."""
    return _page(request)


@superadmin_required
@require_POST
def sms_gateway_try(request: PanelRequest, pk: int) -> HttpResponse:
    """One SMS now; what came of it stands beside the gateway."""
    gateway = get_object_or_404(SmsGateway, pk=pk)
    form = GatewayTrialForm(request.POST, prefix=str(pk))
    if not form.is_valid():
        return _page(request, tried=form)
    try:
        actions.try_gateway(gateway, number=form.cleaned_data["number"], by=request.actor)
    except ActionRefused as refusal:
        add_refusal(form, refusal)
        return _page(request, tried=form)
    run_trials(SmsGateway.Kind.HTTP)
    if gateway.kind == SmsGateway.Kind.MAIL:
        messages.success(request, _("The mail to the gateway leaves within seconds; look again then."))
    return redirect("sms-gateways")


def _page(request: PanelRequest, *, tried: GatewayTrialForm | None = None) -> HttpResponse:
    rows = [
        {
            "gateway": gateway,
            "trial": gateway.trials.first(),
            "form": tried
            if tried is not None and tried.prefix == str(gateway.pk)
            else GatewayTrialForm(prefix=str(gateway.pk)),
        }
        for gateway in SmsGateway.objects.prefetch_related("trials")
    ]
    return render(request, "accounts/sms_gateways.html", {"rows": rows})
