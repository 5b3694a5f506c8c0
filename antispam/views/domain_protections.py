"""A domain's page of protections."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from accounts.forms import add_refusal
from antispam import actions
from antispam.actions.protections import states
from antispam.forms import DomainProtectionsForm, protection_values
from antispam.protections import KINDS, OF_DOMAINS
from domains.views import managed_domain_of
from provisioning.life import life_of
from qmailux_site.errors import ActionRefused
from qmailux_site.middleware import PanelRequest


@login_required
def domain_protections(request: PanelRequest, name: str) -> HttpResponse:
    """What the domain has otherwise than the server."""
    domain = managed_domain_of(request, name)
    on_server = {kind: is_on for kind, (is_on, _options) in states().items()}
    form = DomainProtectionsForm(
        request.POST or None, on_server=on_server, initial=protection_values(actions.domain_choices(domain))
    )
    if form.is_valid():
        try:
            actions.set_domain_protections(domain, form.choices(), by=request.actor)
        except ActionRefused as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, _("The protections of %(domain)s are saved.") % {"domain": domain})
            return redirect("domain-protections", domain.name)
    values = {
        "domain": domain,
        "form": form,
        "life": life_of(domain.scope, domain.name),
        "life_key": domain.name,
        "others": [(kind, on_server[kind.name]) for kind in KINDS if kind.name not in OF_DOMAINS],
    }
    return render(request, "antispam/domain_protections.html", values)
