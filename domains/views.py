"""The postmaster's pages of a domain, and the list of domains."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db.models import Prefetch
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from accounts import actions as account_actions
from accounts import circles
from accounts.addresses import parse_targets
from accounts.forms import add_refusal
from accounts.models import Alias, AliasTarget
from accounts.querysets import AliasQuerySet
from accounts.rights import Right
from accounts.target_forms import AliasForm, TargetsForm
from domains import actions
from domains.forms import NewDomainForm
from domains.models import Domain, DomainAlias
from domains.names import canonical_domain
from domains.numbers import server_numbers
from provisioning.life import NEXT_LOOK_MILLISECONDS, life_of, lives_of
from qmailux_site.counting import count_of
from qmailux_site.errors import ActionRefused
from qmailux_site.middleware import PanelRequest
from qmailux_site.pages import page_of, search_of, superadmin_required

MARKED_TARGETS = Prefetch("targets", AliasTarget.objects.marked())
ALIAS_FILTERS: dict[str, tuple[object, Callable[[AliasQuerySet], AliasQuerySet]]] = {
    "broken": (pgettext_lazy("aliases", "broken"), circles.broken),
    "elsewhere": (pgettext_lazy("aliases", "leading elsewhere"), lambda aliases: aliases.leading_elsewhere()),
    "local": (pgettext_lazy("aliases", "local"), lambda aliases: aliases.local()),
    "catch-all": (gettext_lazy("catch-all"), lambda aliases: aliases.catch_alls()),
}


def domain_of(request: PanelRequest, name: str) -> Domain:
    """The domain in either spelling, if the person may see it; else 404."""
    try:
        canonical = canonical_domain(name)
    except ActionRefused as refusal:
        raise Http404 from refusal
    return get_object_or_404(Domain.objects.visible_to(request.actor).select_related("node"), name=canonical)


def managed_domain_of(request: PanelRequest, name: str) -> Domain:
    """As domain_of; 403 for who may look but not change."""
    domain = domain_of(request, name)
    if not request.actor.may(Right.MANAGE, domain):
        raise PermissionDenied
    return domain


@login_required
def domain_list(request: PanelRequest) -> HttpResponse:
    """The domains I manage."""
    if not request.actor.domains().exists() and not request.actor.sees_everything:
        raise PermissionDenied
    domains = Domain.objects.visible_to(request.actor)
    kept = server_numbers().domain_count if request.actor.sees_everything else 0
    values = {
        "page": page_of(domains.search(search_of(request)).select_related("numbers"), request, key="name"),
        "domain_count": count_of(domains, kept=kept),
    }
    return render(request, "domains/list.html", values)


@superadmin_required
def domain_add(request: PanelRequest) -> HttpResponse:
    form = NewDomainForm(request.POST or None, initial={"language": request.user.language})
    if form.is_valid():
        try:
            domain = actions.add_domain(
                name=form.cleaned_data["name"], settings=form.chosen(), by=request.actor
            )
        except ActionRefused as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, _("The domain %(domain)s is added.") % {"domain": domain})
            return redirect("domain", domain.name)
    return render(request, "domains/add.html", {"form": form})


@login_required
def life(request: PanelRequest, name: str) -> HttpResponse:
    """The fragment that shows whether the last change of one object is live."""
    domain = domain_of(request, name)
    key = request.GET.get("key", domain.name)
    values = {"domain": domain, "life": life_of(domain.scope, key), "life_key": key}
    return render(request, "_life_of_object.html", {**values, "delay": NEXT_LOOK_MILLISECONDS})


@login_required
def alias_list(request: PanelRequest, name: str) -> HttpResponse:
    """Addresses without a mailbox, and where their mail goes."""
    domain = domain_of(request, name)
    aliases = Alias.objects.visible_to(request.actor).filter(domain=domain)
    wanted = request.GET.get("filter", "")
    narrow = ALIAS_FILTERS[wanted][1] if wanted in ALIAS_FILTERS else None
    found = aliases.search(search_of(request)).prefetch_related(MARKED_TARGETS, "domain_alias")
    page = page_of(narrow(found) if narrow else found, request, key="address")
    circles.mark_ways(target for alias in page.rows for target in alias.targets.all())
    lives = lives_of(domain.scope, [alias.address for alias in page.rows])
    alias_count = count_of(aliases.ordinary())
    values = {
        "domain": domain,
        "alias_count": alias_count,
        "catch_all_count": count_of(aliases.catch_alls()),
        # Of a very large domain each would have to be looked at: only the filter does that.
        "broken_count": count_of(circles.broken(aliases)) if alias_count.is_exact else None,
        "other_names": DomainAlias.objects.visible_to(request.actor).filter(domain=domain),
        "filters": [(key, label) for key, (label, _narrow) in ALIAS_FILTERS.items()],
        "filter": wanted if narrow else "",
        "page": page,
        "rows": [(alias, lives[alias.address]) for alias in page.rows],
    }
    return render(request, "domains/aliases.html", values)


@login_required
def alias_add(request: PanelRequest, name: str) -> HttpResponse:
    domain = managed_domain_of(request, name)
    names = list(domain.domain_aliases.all())
    places = [("", str(domain)), *((str(other.pk), str(other)) for other in names)]
    form = AliasForm(
        request.POST or None, places=places, initial={"targets": request.GET.get("to", "")[:254]}
    )
    if form.is_valid():
        try:
            alias = account_actions.add_alias(
                domain=domain,
                localpart=form.cleaned_data["localpart"],
                targets=parse_targets(form.cleaned_data["targets"]),
                domain_alias=next(
                    (other for other in names if str(other.pk) == form.cleaned_data.get("place")), None
                ),
                by=request.actor,
            )
        except ActionRefused as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, _("The alias %(address)s is added.") % {"address": alias.address})
            return redirect("aliases", domain.name)
    return render(request, "domains/alias_add.html", {"domain": domain, "form": form})


@login_required
def alias(request: PanelRequest, name: str, pk: int) -> HttpResponse:
    """One alias: where its mail goes, and the way to delete it."""
    if request.method == "POST":
        managed_domain_of(request, name)
    domain, found = _alias_of(request, name, pk)
    marked = list(found.targets.marked())
    circles.mark_ways(marked)
    targets = list(found.targets.values_list("address", flat=True))
    form = TargetsForm(request.POST or None, initial={"targets": "\n".join(targets)})
    if form.is_valid():
        try:
            account_actions.set_alias_targets(
                found,
                targets=parse_targets(form.cleaned_data["targets"]),
                seen=form.seen(),
                by=request.actor,
            )
        except ActionRefused as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, _("The changes are saved."))
            return redirect("alias", domain.name, pk)
    values = {"domain": domain, "alias": found, "form": form, "life_key": found.address, "targets": marked}
    return render(request, "domains/alias.html", {**values, "life": life_of(domain.scope, found.address)})


@login_required
def alias_delete(request: PanelRequest, name: str, pk: int) -> HttpResponse:
    """Asks, then deletes."""
    domain, found = _alias_of(request, managed_domain_of(request, name).name, pk)
    if request.method == "POST":
        account_actions.delete_alias(found, by=request.actor)
        messages.success(request, _("The alias %(address)s is deleted.") % {"address": found.address})
        return redirect("aliases", domain.name)
    return render(request, "domains/alias_delete.html", {"domain": domain, "alias": found})


def _alias_of(request: PanelRequest, name: str, pk: int) -> tuple[Domain, Alias]:
    domain = domain_of(request, name)
    aliases = Alias.objects.visible_to(request.actor).select_related("domain__node")
    return domain, get_object_or_404(aliases, pk=pk, domain=domain)
