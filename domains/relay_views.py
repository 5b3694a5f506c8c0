"""Whether a domain's mailboxes are here or on another server. The superadmin's page."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from accounts.actor import Actor
from accounts.forms import carried_out
from domains.forms import RelayForm
from domains.models import Domain
from domains.relay_actions import keep_here, pass_on
from domains.views import domain_of
from provisioning.life import life_of
from qmailux_site.middleware import PanelRequest
from qmailux_site.pages import superadmin_required


@superadmin_required
def domain_relay(request: PanelRequest, name: str) -> HttpResponse:
    """Backup MX, or a filter before somebody else's server."""
    domain = domain_of(request, name)
    initial = {"to": domain.relay_server, "recipients": domain.relay_recipients}
    form = RelayForm(request.POST or None, initial=initial)
    if form.is_valid() and carried_out(form, lambda: _move(domain, form, by=request.actor)):
        messages.success(request, _("The changes are saved."))
        return redirect("domain-relay", domain.name)
    values = {
        "domain": domain,
        "form": form,
        "life": life_of(domain.scope, domain.name),
        "life_key": domain.name,
    }
    return render(request, "domains/relay.html", values)


def _move(domain: Domain, form: RelayForm, *, by: Actor) -> None:
    if form.cleaned_data["to"]:
        pass_on(domain, **form.cleaned_data, by=by)
    else:
        keep_here(domain, by=by)
