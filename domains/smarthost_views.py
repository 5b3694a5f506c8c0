"""By which server mail leaves. The superadmin's pages."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from accounts.actor import Actor
from accounts.forms import carried_out
from domains.forms import SmarthostForm
from domains.models import Domain, Smarthost
from domains.smarthost_actions import remove_smarthost, set_smarthost
from domains.views import domain_of
from provisioning.life import life_of
from provisioning.models import SERVER_SCOPE
from qmailux_site.middleware import PanelRequest
from qmailux_site.pages import superadmin_required


@superadmin_required
def domain_smarthost(request: PanelRequest, name: str) -> HttpResponse:
    """Nothing is reloaded: the next message leaves by it."""
    return _smarthost(request, domain_of(request, name))


@superadmin_required
def server_smarthost(request: PanelRequest) -> HttpResponse:
    """For every domain without one of its own."""
    return _smarthost(request, None)


def _smarthost(request: PanelRequest, domain: Domain | None) -> HttpResponse:
    row = Smarthost.objects.filter(domain=domain).first()
    initial = {"to": row.server, "user": row.user} if row else {}
    form = SmarthostForm(request.POST or None, initial=initial)
    if form.is_valid() and carried_out(form, lambda: _choose(domain, form, by=request.actor)):
        messages.success(request, _("The changes are saved."))
        return redirect(request.path)
    scope, key = (domain.scope, domain.name) if domain else (SERVER_SCOPE, "*")
    values = {"domain": domain, "form": form, "life": life_of(scope, key), "life_key": key}
    return render(request, "domains/smarthost.html", values)


def _choose(domain: Domain | None, form: SmarthostForm, *, by: Actor) -> None:
    if form.cleaned_data["to"]:
        set_smarthost(domain, **form.cleaned_data, by=by)
    else:
        remove_smarthost(domain, by=by)
