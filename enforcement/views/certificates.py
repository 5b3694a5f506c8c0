"""Certificates: the superadmin's pages, and what a postmaster sees of the domain's."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from accounts.forms import add_refusal
from accounts.views.life import life_fragment
from alarms.models import Alarm
from alarms.words import told
from domains.views import managed_domain_of
from enforcement import actions
from enforcement.forms import AnswerForm, OrderForm, UploadForm
from enforcement.models import Certificate
from enforcement.serving import hosts_of, served_by
from provisioning.life import life_of
from provisioning.models import SERVER_SCOPE
from qmailux_site.errors import ActionRefused
from qmailux_site.middleware import PanelRequest
from qmailux_site.pages import superadmin_required

ALARMS = ("certificate.expiring", "certificate.stale")


@superadmin_required
def certificates(request: PanelRequest) -> HttpResponse:
    """Every certificate; order another one."""
    form = OrderForm(request.POST or None)
    if form.is_valid():
        try:
            actions.order_certificate(
                kind=form.cleaned_data["kind"], names=form.cleaned_data["names"].split(), by=request.actor
            )
        except ActionRefused as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, _("The certificate is ordered."))
            return redirect("certificates")
    return _page(request, form=form)


@sensitive_post_parameters()
@superadmin_required
@require_POST
def certificate_upload(request: PanelRequest) -> HttpResponse:
    """A whole set. What is wrong with it is said, and nothing changes."""
    form = UploadForm(request.POST, request.FILES)
    if form.is_valid():
        try:
            taken = actions.upload_certificate(
                chain=form.cleaned_data["certificate"].read(),
                key=form.cleaned_data["key"].read(),
                names=form.cleaned_data["good_for"].split(),
                by=request.actor,
            )
        except ActionRefused as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, _("The certificate for %(names)s is taken.") % {"names": taken})
            return redirect("certificates")
    return _page(request, upload_form=form)


@superadmin_required
def certificate(request: PanelRequest, pk: int) -> HttpResponse:
    """One: its request, and the answer to it."""
    found = get_object_or_404(Certificate, pk=pk)
    form = AnswerForm(request.POST or None)
    if form.is_valid():
        try:
            actions.answer_request(found, answer=form.cleaned_data["certificate"].encode(), by=request.actor)
        except ActionRefused as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, _("The certificate for %(names)s is taken.") % {"names": found})
            return redirect("certificates")
    return render(request, "enforcement/certificate.html", {"certificate": found, "form": form})


@superadmin_required
@require_POST
def certificate_fetch(request: PanelRequest, pk: int) -> HttpResponse:
    """Ask the ACME authority once more."""
    found = get_object_or_404(Certificate, pk=pk)
    try:
        actions.fetch_again(found, by=request.actor)
    except ActionRefused as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, _("The authority is asked again."))
    return redirect("certificates")


@superadmin_required
def certificate_delete(request: PanelRequest, pk: int) -> HttpResponse:
    """Asks, then deletes."""
    found = get_object_or_404(Certificate, pk=pk)
    if request.method == "POST":
        actions.delete_certificate(found, by=request.actor)
        messages.success(request, _("The certificate for %(names)s is deleted.") % {"names": found})
        return redirect("certificates")
    served = served_by(Certificate.objects.serving()).get(found.pk, [])
    return render(request, "enforcement/certificate_delete.html", {"certificate": found, "served": served})


@superadmin_required
def certificates_life(request: PanelRequest) -> HttpResponse:
    """The fragment that shows whether the last change is live."""
    return life_fragment(request, {"life": life_of(SERVER_SCOPE, "*")})


@login_required
def domain_certificates(request: PanelRequest, name: str) -> HttpResponse:
    """What mail programs of the domain's people are shown, by host name."""
    domain = managed_domain_of(request, name)
    rows = [(host, Certificate.objects.good_for(host)) for host in hosts_of(domain)]
    values = {"domain": domain, "rows": rows, "now": timezone.now()}
    return render(request, "enforcement/domain_certificates.html", values)


def _page(request: PanelRequest, **forms: object) -> HttpResponse:
    served = served_by(Certificate.objects.serving())
    values = {
        "rows": [(each, served.get(each.pk, [])) for each in Certificate.objects.all()],
        "alarms": [told(alarm) for alarm in Alarm.objects.open().filter(name__in=ALARMS)],
        "now": timezone.now(),
        "life": life_of(SERVER_SCOPE, "*"),
        "form": OrderForm(),
        "upload_form": UploadForm(),
        **forms,
    }
    return render(request, "enforcement/certificates.html", values)
