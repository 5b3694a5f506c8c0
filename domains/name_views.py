"""Other names of a domain: seen by whoever sees the domain, added and removed by the superadmin."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _

from accounts.forms import add_refusal
from domains import actions
from domains.forms import DomainNameForm
from domains.models import DomainAlias
from domains.views import domain_of
from provisioning.life import lives_of
from qmailux_site.errors import ActionRefused
from qmailux_site.middleware import PanelRequest
from qmailux_site.pages import page_of, superadmin_required


@login_required
def domain_names(request: PanelRequest, name: str) -> HttpResponse:
    """Every name under which mail comes in, each with whether it is live."""
    domain = domain_of(request, name)
    if request.method == "POST":
        request.actor.must_be_superadmin()
    form = DomainNameForm(request.POST or None) if request.actor.sees_everything else None
    if form is not None and form.is_valid():
        try:
            added = actions.add_domain_alias(domain, name=form.cleaned_data["name"], by=request.actor)
        except ActionRefused as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, _("Mail to %(name)s comes in here too.") % {"name": added})
            return redirect("domain-names", domain.name)
    names = DomainAlias.objects.visible_to(request.actor).filter(domain=domain)
    page = page_of(names, request, key="name")
    lives = lives_of(domain.scope, [f"+@{found.name}" for found in page.rows])
    rows = [(found, lives[f"+@{found.name}"]) for found in page.rows]
    return render(request, "domains/names.html", {"domain": domain, "form": form, "page": page, "rows": rows})


@superadmin_required
def domain_name_delete(request: PanelRequest, name: str, pk: int) -> HttpResponse:
    """Asks, then mail for the name is refused."""
    domain = domain_of(request, name)
    names = DomainAlias.objects.visible_to(request.actor).select_related("domain__node")
    found = get_object_or_404(names, pk=pk, domain=domain)
    if request.method == "POST":
        try:
            actions.delete_domain_alias(found, by=request.actor)
        except ActionRefused as refusal:
            messages.error(request, refusal.message)
        else:
            messages.success(request, _("The name %(name)s is removed.") % {"name": found})
        return redirect("domain-names", domain.name)
    return render(request, "domains/name_delete.html", {"domain": domain, "other": found})
