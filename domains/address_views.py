"""The server's IP addresses, and which of them a domain has for itself. The superadmin's pages."""

from __future__ import annotations

from collections.abc import Callable

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from accounts.forms import PanelForm, add_refusal, carried_out
from domains import address_actions as actions
from domains.models import Domain, IPAddress
from domains.views import domain_of
from enforcement.quarantine import quarantine_of, smarthost_of
from provisioning.hosts import host_of
from provisioning.life import life_of
from provisioning.models import SERVER_SCOPE, Node
from provisioning.presence import is_local, local_networks
from qmailux_site.errors import ActionRefused
from qmailux_site.middleware import PanelRequest
from qmailux_site.pages import superadmin_required

DOMAINS_SHOWN = 20


class NewAddressForm(PanelForm):
    address = forms.CharField(label=gettext_lazy("Address"), max_length=45)
    hostname = forms.CharField(
        label=gettext_lazy("Host name"),
        max_length=253,
        help_text=gettext_lazy("The name in greetings and headers; its reverse name should be the same."),
    )


class AddressForm(PanelForm):
    hostname = forms.CharField(label=gettext_lazy("Host name"), max_length=253)
    state = forms.ChoiceField(label=gettext_lazy("State"), choices=IPAddress.State.choices)


class DomainAddressesForm(PanelForm):
    """Empty is the server's default."""

    inbound = forms.ModelChoiceField(
        IPAddress.objects.none(),
        required=False,
        label=gettext_lazy("Mail arrives at"),
        empty_label=gettext_lazy("the server's default"),
    )
    outbound = forms.ModelChoiceField(
        IPAddress.objects.none(),
        required=False,
        label=gettext_lazy("Mail leaves from"),
        empty_label=gettext_lazy("the server's default"),
    )

    def __init__(self, *args: object, domain: Domain, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]  # what forms.Form takes
        for name in ("inbound", "outbound"):
            field = self.fields[name]
            if isinstance(field, forms.ModelChoiceField):
                field.queryset = IPAddress.objects.filter(node=domain.node).order_by("pk")


@superadmin_required
def addresses(request: PanelRequest) -> HttpResponse:
    """All of them with their domains, and the form for another one."""
    form = NewAddressForm(request.POST or None)
    if form.is_valid():
        try:
            row = _add(request, form)
        except ActionRefused as refusal:
            add_refusal(form, refusal)
        else:
            messages.success(request, _("The address %(address)s is added.") % {"address": row.address})
            return redirect("addresses")
    rows = [(row, *_users(row)) for row in IPAddress.objects.visible_to(request.actor).order_by("pk")]
    values = {"form": form, "rows": rows, "life": life_of(SERVER_SCOPE, "*")}
    return render(request, "domains/addresses.html", values)


@superadmin_required
def address(request: PanelRequest, pk: int) -> HttpResponse:
    row = get_object_or_404(IPAddress.objects.visible_to(request.actor), pk=pk)
    form = AddressForm(request.POST or None, initial={"hostname": row.hostname, "state": row.state})
    if form.is_valid() and carried_out(
        form, lambda: actions.edit_address(row, **form.cleaned_data, by=request.actor)
    ):
        messages.success(request, _("The changes are saved."))
        return redirect("addresses")
    domains, count = _users(row)
    values = {"row": row, "form": form, "domains": domains, "count": count}
    return render(request, "domains/address.html", values)


@superadmin_required
@require_POST
def address_default(request: PanelRequest, pk: int) -> HttpResponse:
    row = get_object_or_404(IPAddress.objects.visible_to(request.actor), pk=pk)
    change = actions.clear_default_address if row.is_default else actions.set_default_address
    return _tried(request, lambda: change(row, by=request.actor), _("The changes are saved."))


@superadmin_required
def address_delete(request: PanelRequest, pk: int) -> HttpResponse:
    """Asks, then deletes."""
    row = get_object_or_404(IPAddress.objects.visible_to(request.actor), pk=pk)
    if request.method == "POST":
        done = _("The address %(address)s is deleted.") % {"address": row.address}
        return _tried(request, lambda: actions.delete_address(row, by=request.actor), done)
    return render(request, "domains/address_delete.html", {"row": row})


@superadmin_required
def domain_addresses(request: PanelRequest, name: str) -> HttpResponse:
    """Moving takes no reload: the next message leaves from the new address."""
    domain = domain_of(request, name)
    initial = {"inbound": domain.inbound_address, "outbound": domain.outbound_address}
    form = DomainAddressesForm(request.POST or None, domain=domain, initial=initial)
    if form.is_valid() and carried_out(
        form, lambda: actions.set_domain_addresses(domain, **form.cleaned_data, by=request.actor)
    ):
        messages.success(request, _("The changes are saved."))
        return redirect("domain-addresses", domain.name)
    values = {
        "domain": domain,
        "form": form,
        "quarantine": quarantine_of(domain),
        "smarthost": smarthost_of(domain),
        "quarantine_url": reverse("domain-quarantine", args=[domain.name]),
        "life": life_of(domain.scope, domain.name),
        "life_key": domain.name,
    }
    return render(request, "domains/domain_addresses.html", values)


def _add(request: PanelRequest, form: NewAddressForm) -> IPAddress:
    """Refused when the machine does not have it; manage.py ip add --absent takes it all the same."""
    parsed = actions.parse_address(form.cleaned_data["address"])
    node = Node.objects.order_by("pk").first()
    if node is None:
        raise ActionRefused("address", _("There is no server yet: run manage.py setup."))
    if not is_local(str(parsed), local_networks(host_of(node))):
        raise ActionRefused(
            "address", _("The server does not have the address %(address)s.") % {"address": parsed}
        )
    return actions.add_address(
        address=str(parsed),
        hostname=form.cleaned_data["hostname"],
        node=node,
        is_present=True,
        by=request.actor,
    )


def _tried(request: PanelRequest, change: Callable[[], None], done: str) -> HttpResponse:
    try:
        change()
    except ActionRefused as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, done)
    return redirect("addresses")


def _users(row: IPAddress) -> tuple[list[Domain], int]:
    users = Domain.objects.using_address(row).order_by("name")
    return list(users[:DOMAINS_SHOWN]), users.count()
