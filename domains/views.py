"""The postmaster's pages of a domain, and the list of domains."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _

from accounts import actions as account_actions
from accounts.addresses import parse_targets
from accounts.forms import AliasForm, add_refusal
from accounts.models import Account, Alias
from accounts.views.manage import domain_of
from domains import actions
from domains.forms import NewDomainForm
from domains.models import Domain
from provisioning.life import life_of
from qmailux_site.errors import ActionRefused
from qmailux_site.middleware import PanelRequest
from qmailux_site.pages import page_of, superadmin_required


@login_required
def domain_list(request: PanelRequest) -> HttpResponse:
    """The domains I manage."""
    domains = Domain.objects.visible_to(request.actor)
    if not request.user.is_superuser and not request.user.managed_domains.exists():
        raise PermissionDenied
    search = request.GET.get("q", "").strip()
    page = page_of(domains.search(search), key="name", after=request.GET.get("after", ""))
    return render(request, "domains/list.html", {"page": page, "search": search})


@superadmin_required
def domain_add(request: PanelRequest) -> HttpResponse:
    form = NewDomainForm(request.POST or None, initial={"language": request.user.language})
    if form.is_valid():
        settings: dict[str, int | str | None] = {"language": form.cleaned_data["language"]}
        if form.cleaned_data["default_quota"] is not None:
            settings["default_quota_bytes"] = form.cleaned_data["default_quota"]
        try:
            domain = actions.add_domain(name=form.cleaned_data["name"], settings=settings, by=request.actor)
        except ActionRefused as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, _("%(domain)s is added.") % {"domain": domain})
            return redirect("domain", domain.name)
    return render(request, "domains/add.html", {"form": form})


@login_required
def domain_home(request: PanelRequest, name: str) -> HttpResponse:
    """The domain's numbers and its accounts."""
    domain = domain_of(request, name)
    accounts = Account.objects.visible_to(request.actor).filter(domain=domain)
    search = request.GET.get("q", "").strip()
    values = {
        "domain": domain,
        "life": life_of(domain.scope, domain.name),
        "account_count": accounts.count(),
        "locked_count": accounts.filter(state="locked").count(),
        "alias_count": Alias.objects.filter(domain=domain).count(),
        "page": page_of(accounts.search(search), key="address", after=request.GET.get("after", "")),
        "search": search,
    }
    return render(request, "domains/home.html", values)


@login_required
def alias_list(request: PanelRequest, name: str) -> HttpResponse:
    domain = domain_of(request, name)
    search = request.GET.get("q", "").strip()
    aliases = Alias.objects.visible_to(request.actor).filter(domain=domain).prefetch_related("targets")
    page = page_of(aliases.search(search), key="address", after=request.GET.get("after", ""))
    return render(request, "domains/aliases.html", {"domain": domain, "page": page, "search": search})


@login_required
def alias_add(request: PanelRequest, name: str) -> HttpResponse:
    domain = domain_of(request, name)
    form = AliasForm(request.POST or None)
    if form.is_valid():
        try:
            alias = account_actions.add_alias(
                domain=domain,
                localpart=form.cleaned_data["localpart"],
                targets=parse_targets(form.cleaned_data["targets"]),
                by=request.actor,
            )
        except ActionRefused as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, _("%(address)s is added.") % {"address": alias.address})
            return redirect("aliases", domain.name)
    return render(request, "domains/alias_add.html", {"domain": domain, "form": form})


@login_required
def alias_delete(request: PanelRequest, name: str, pk: int) -> HttpResponse:
    """Asks, then deletes."""
    domain = domain_of(request, name)
    aliases = Alias.objects.visible_to(request.actor).select_related("domain__node")
    alias = get_object_or_404(aliases, pk=pk, domain=domain)
    if request.method == "POST":
        account_actions.delete_alias(alias, by=request.actor)
        messages.success(request, _("%(address)s is deleted.") % {"address": alias.address})
        return redirect("aliases", domain.name)
    return render(request, "domains/alias_delete.html", {"domain": domain, "alias": alias})
