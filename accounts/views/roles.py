"""Who has which rights: in a domain, and on the whole server."""

from __future__ import annotations

from dataclasses import dataclass

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from accounts import actions
from accounts.addresses import parse_address
from accounts.forms import AS_TYPED, PanelForm, add_refusal
from accounts.models import Account
from accounts.roles import GRANTED, Role, RoleGrant
from domains.models import Domain
from domains.views import managed_domain_of
from qmailux_site.errors import ActionRefused
from qmailux_site.middleware import PanelRequest
from qmailux_site.pages import superadmin_required

MOST_SHOWN = 200


class GrantForm(PanelForm):
    """roles: those that the person may give here."""

    address = forms.CharField(
        label=gettext_lazy("Address"), max_length=254, widget=forms.TextInput(attrs=AS_TYPED)
    )
    role = forms.ChoiceField(label=gettext_lazy("Role"))

    def __init__(self, *args: object, roles: tuple[Role, ...], **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # passed on as they are
        self.fields["role"] = forms.ChoiceField(
            label=gettext_lazy("Role"), choices=[(role.value, role.label) for role in roles]
        )


@dataclass(frozen=True, slots=True)
class Holder:
    """A row of the page."""

    account: Account
    role: Role


@login_required
def domain_roles(request: PanelRequest, name: str) -> HttpResponse:
    """Postmasters, help desk and auditors of the domain."""
    return _page(request, managed_domain_of(request, name))


@superadmin_required
def server_roles(request: PanelRequest) -> HttpResponse:
    """Superadmins, and who helps or looks in all domains."""
    return _page(request, None)


@login_required
@require_POST
def domain_role_revoke(request: PanelRequest, name: str) -> HttpResponse:
    """The role ends at once."""
    return _revoke(request, managed_domain_of(request, name))


@superadmin_required
@require_POST
def server_role_revoke(request: PanelRequest) -> HttpResponse:
    return _revoke(request, None)


def _page(request: PanelRequest, domain: Domain | None) -> HttpResponse:
    form = GrantForm(request.POST or None, roles=_given(request, domain))
    if form.is_valid():
        try:
            account = _named(request, form.cleaned_data["address"])
            actions.grant_role(account, role=form.cleaned_data["role"], domain=domain, by=request.actor)
        except ActionRefused as refusal:
            add_refusal(form, refusal)
        else:
            sentence = _("%(address)s has the role from now on.")
            messages.success(request, sentence % {"address": account.address})
            return _back(domain)
    values = {
        "domain": domain,
        "form": form,
        "holders": _holders(domain),
        "given": {role.value for role in _given(request, domain)},
    }
    return render(request, "accounts/roles.html", values)


def _revoke(request: PanelRequest, domain: Domain | None) -> HttpResponse:
    account = get_object_or_404(_holding(domain), pk=_number(request.POST.get("account", "")))
    try:
        actions.revoke_role(account, role=request.POST.get("role", ""), domain=domain, by=request.actor)
    except ActionRefused as refusal:
        messages.error(request, refusal.message)
    else:
        sentence = _("%(address)s no longer has the role.")
        messages.success(request, sentence % {"address": account.address})
    return _back(domain)


def _given(request: PanelRequest, domain: Domain | None) -> tuple[Role, ...]:
    if domain is None:
        return (Role.SUPERADMIN, *GRANTED)
    return (Role.POSTMASTER, *GRANTED) if request.actor.sees_everything else GRANTED


def _named(request: PanelRequest, text: str) -> Account:
    """One that the person sees; what is not seen does not exist."""
    address = text.strip().lower()
    visible = Account.objects.visible_to(request.actor).select_related("domain")
    found = visible.filter(address=address).first()
    if found is None and "@" in address:
        found = visible.filter(address=str(parse_address(text))).first()
    if found is None:
        raise ActionRefused("address", _("There is no account %(address)s.") % {"address": address})
    return found


def _holders(domain: Domain | None) -> list[Holder]:
    grants = RoleGrant.objects.filter(domain=domain).select_related("account").order_by("account__address")
    first = Account.objects.filter(is_superuser=True) if domain is None else domain.managers.all()
    role = Role.SUPERADMIN if domain is None else Role.POSTMASTER
    return [
        *(Holder(account, role) for account in first.order_by("address")[:MOST_SHOWN]),
        *(Holder(grant.account, Role(grant.role)) for grant in grants[:MOST_SHOWN]),
    ]


def _holding(domain: Domain | None) -> QuerySet[Account]:
    granted = RoleGrant.objects.filter(domain=domain).values("account")
    first = Account.objects.filter(is_superuser=True) if domain is None else domain.managers.all()
    holding = Q(pk__in=granted) | Q(pk__in=first.values("pk"))
    return Account.objects.select_related("domain").filter(holding)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0


def _back(domain: Domain | None) -> HttpResponse:
    return redirect("domain-roles", domain.name) if domain else redirect("server-roles")
