"""The page of a domain's DNS: what it says, what to publish, and the keys that sign."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from domains import dkim_actions
from domains.dns_checks import look_at_dns
from domains.models import DkimKey, DnsReport
from domains.views import managed_domain_of
from provisioning.life import life_of
from qmailux_site.errors import ActionRefused
from qmailux_site.middleware import PanelRequest


@login_required
def domain_dns(request: PanelRequest, name: str) -> HttpResponse:
    """What DNS said when somebody looked last; a look takes seconds, so it has a button of its own."""
    domain = managed_domain_of(request, name)
    keys = list(domain.dkim_keys.select_related("domain"))
    values = {
        "domain": domain,
        "report": DnsReport.objects.filter(domain=domain).first(),
        "keys": keys,
        "has_waiting": any(key.state == DkimKey.State.WAITING for key in keys),
        "life": life_of(domain.scope, domain.name),
        "life_key": domain.name,
    }
    return render(request, "domains/dns.html", values)


@login_required
@require_POST
def domain_dns_check(request: PanelRequest, name: str) -> HttpResponse:
    domain = managed_domain_of(request, name)
    request.actor.must_manage(domain)
    look_at_dns(domain, by=request.actor)
    return redirect("domain-dns", domain.name)


@login_required
@require_POST
def dkim_add(request: PanelRequest, name: str) -> HttpResponse:
    domain = managed_domain_of(request, name)
    try:
        dkim_actions.add_key(domain, by=request.actor)
    except ActionRefused as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, _("The key is made. Publish its record, then let DNS be checked."))
    return redirect("domain-dns", domain.name)


@login_required
@require_POST
def dkim_force(request: PanelRequest, name: str, pk: int) -> HttpResponse:
    key = _key_of(request, name, pk)
    try:
        dkim_actions.force_signing(key, by=request.actor)
    except ActionRefused as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, _("The domain's mail is signed from now on."))
    return redirect("domain-dns", key.domain.name)


@login_required
def dkim_delete(request: PanelRequest, name: str, pk: int) -> HttpResponse:
    """Asks, then deletes."""
    key = _key_of(request, name, pk)
    if request.method == "POST":
        dkim_actions.delete_key(key, by=request.actor)
        messages.success(request, _("The key %(key)s is deleted.") % {"key": key.selector})
        return redirect("domain-dns", key.domain.name)
    return render(request, "domains/dkim_delete.html", {"domain": key.domain, "key": key})


def _key_of(request: PanelRequest, name: str, pk: int) -> DkimKey:
    domain = managed_domain_of(request, name)
    keys = DkimKey.objects.visible_to(request.actor).select_related("domain__node")
    return get_object_or_404(keys, pk=pk, domain=domain)
