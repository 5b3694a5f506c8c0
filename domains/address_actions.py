"""Every change of the servers' IP addresses, and which domain uses which."""

from __future__ import annotations

import ipaddress

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.actions import levels
from accounts.actions.taken import locked_domain
from accounts.actor import Actor
from accounts.models import Account
from audit import record as audit
from domains.models import Domain, IPAddress
from domains.names import canonical_domain
from provisioning import outbox
from provisioning.models import Node
from qmailux_site.errors import ActionRefused


@transaction.atomic
def add_address(*, address: str, hostname: str, node: Node, is_present: bool, by: Actor) -> IPAddress:
    """An address of the server with the name it greets by. is_present: what the machine says of it; an
    absent one is kept, but no daemon is told to listen on it.
    """
    by.must_be_superadmin()
    parsed = parse_address(address)
    row = IPAddress(
        address=str(parsed),
        version=parsed.version,
        node=node,
        hostname=canonical_domain(hostname),
        is_present=is_present,
        looked_at=timezone.now(),
    )
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        raise ActionRefused(
            "address", _("The address %(address)s already exists.") % {"address": parsed}
        ) from None
    audit.record(by, "ip_address.added", row.address, hostname=row.hostname, is_present=is_present)
    outbox.record_settings()
    return row


@transaction.atomic
def edit_address(row: IPAddress, *, hostname: str | None = None, state: str | None = None, by: Actor) -> None:
    """Its host name, or whether it is kept for suspected mail. The next message of everybody who sends by it
    says the new name. Refused: a name that is none, and another state.
    """
    by.must_be_superadmin()
    fresh = _locked(row)
    before = [fresh.hostname, fresh.state]
    if hostname is not None:
        fresh.hostname = canonical_domain(hostname)
    if state is not None:
        if state not in IPAddress.State.values:
            raise ActionRefused("state", _("An address is good, or kept for suspected mail."))
        fresh.state = state
    fresh.save(update_fields=["hostname", "state"])
    audit.record(by, "ip_address.edited", fresh.address, before=before, after=[fresh.hostname, fresh.state])
    if fresh.hostname != before[0]:
        outbox.record_settings()
        _record_users(fresh)


@transaction.atomic
def set_default_address(row: IPAddress, *, by: Actor) -> None:
    """Mail of every domain without an own address leaves from it. One default for IPv4 and one for IPv6."""
    by.must_be_superadmin()
    fresh = _locked(row)
    _refuse_absent(fresh, "address")
    IPAddress.objects.filter(node=fresh.node, version=fresh.version, is_default=True).update(is_default=False)
    fresh.is_default = True
    fresh.save(update_fields=["is_default"])
    audit.record(by, "ip_address.made_default", fresh.address)
    outbox.record_settings()


@transaction.atomic
def clear_default_address(row: IPAddress, *, by: Actor) -> None:
    """The machine itself chooses the address again."""
    by.must_be_superadmin()
    fresh = _locked(row)
    fresh.is_default = False
    fresh.save(update_fields=["is_default"])
    audit.record(by, "ip_address.no_longer_default", fresh.address)
    outbox.record_settings()


@transaction.atomic
def delete_address(row: IPAddress, *, by: Actor) -> None:
    """Refused while a domain uses it or it is the default."""
    by.must_be_superadmin()
    fresh = _locked(row)
    users = list(Domain.objects.using_address(fresh).values_list("name", flat=True)[:10])
    if users:
        raise ActionRefused(
            "address",
            _("%(address)s is used by %(domains)s.")
            % {"address": fresh.address, "domains": ", ".join(users)},
        )
    if fresh.quarantines.exists():
        raise ActionRefused(
            "address", _("Suspected mail leaves from %(address)s.") % {"address": fresh.address}
        )
    if fresh.is_default:
        raise ActionRefused(
            "address",
            _("%(address)s is the default: make another one the default first.") % {"address": fresh.address},
        )
    audit.record(by, "ip_address.deleted", fresh.address)
    fresh.delete()
    outbox.record_settings()


@transaction.atomic
def set_domain_addresses(
    domain: Domain, *, inbound: IPAddress | None, outbound: IPAddress | None, by: Actor
) -> Domain:
    """Where the domain's mail arrives and leaves; None is the server's default. Nothing is reloaded.

    An address that the machine does not have is refused: mail could not leave from it.
    """
    by.must_be_superadmin()
    fresh = locked_domain(domain, field="name")
    for field, chosen in (("inbound", inbound), ("outbound", outbound)):
        if chosen is not None:
            _refuse_absent(chosen, field)
            _refuse_foreign(chosen, fresh, field)
    before = [str(fresh.inbound_address or "default"), str(fresh.outbound_address or "default")]
    fresh.inbound_address, fresh.outbound_address = inbound, outbound
    fresh.save(update_fields=["inbound_address", "outbound_address"])
    audit.record(
        by,
        "domain.addresses_set",
        fresh.name,
        scope=fresh.name,
        before=before,
        after=[str(inbound or "default"), str(outbound or "default")],
    )
    record_domain(fresh)
    return fresh


@transaction.atomic
def note_presence(present: dict[int, bool], *, by: Actor) -> list[IPAddress]:
    """What the machines say of their addresses; returns those that came or went. Listeners follow."""
    changed = []
    now = timezone.now()
    for row in IPAddress.objects.select_for_update(of=("self",)).filter(pk__in=list(present)):
        if row.is_present != present[row.pk]:
            row.is_present = present[row.pk]
            changed.append(row)
            audit.record(by, "ip_address.came" if row.is_present else "ip_address.went", row.address)
        row.looked_at = now
        row.save(update_fields=["is_present", "looked_at"])
    if changed:
        outbox.record_settings()
    return changed


@transaction.atomic
def note_listing(row: IPAddress, *, zones: list[str], by: Actor) -> None:
    """The block lists that name the address now."""
    fresh = _locked(row)
    if fresh.listed_in == zones:
        return
    audit.record(by, "ip_address.listed", fresh.address, before=fresh.listed_in, after=zones)
    fresh.listed_in = zones
    fresh.save(update_fields=["listed_in"])


def parse_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Refused: what is no address, or none that a server can have of its own."""
    try:
        parsed = ipaddress.ip_address(text.strip())
    except ValueError:
        raise ActionRefused("address", _("%(text)s is not an IP address.") % {"text": text.strip()}) from None
    mapped = getattr(parsed, "ipv4_mapped", None)
    parsed = mapped or parsed
    has_zone = getattr(parsed, "scope_id", None) is not None
    if parsed.is_unspecified or parsed.is_multicast or parsed.is_link_local or has_zone:
        raise ActionRefused(
            "address", _("%(address)s cannot be a mail server's own address.") % {"address": parsed}
        )
    return parsed


def _refuse_absent(row: IPAddress, field: str) -> None:
    if not row.is_present:
        raise ActionRefused(
            field, _("The server does not have the address %(address)s.") % {"address": row.address}
        )


def _refuse_foreign(row: IPAddress, domain: Domain, field: str) -> None:
    if row.node_id != domain.node_id:
        raise ActionRefused(
            field,
            _("%(address)s belongs to another server than %(domain)s.")
            % {"address": row.address, "domain": domain},
        )


def _locked(row: IPAddress) -> IPAddress:
    fresh = IPAddress.objects.select_for_update(of=("self",)).select_related("node").filter(pk=row.pk).first()
    if fresh is None:
        raise ActionRefused("address", _("The address %(address)s no longer exists.") % {"address": row})
    return fresh


def _record_users(row: IPAddress) -> None:
    """All whose entries say its host name."""
    for domain in Domain.objects.naming_address(row).select_related("node"):
        record_domain(domain)
    for account in Account.objects.filter(quarantine__address=row).select_related("domain__node"):
        levels.record_change(account)


def record_domain(domain: Domain) -> None:
    """All its names, and the way of all their senders."""
    names = domain.all_names()
    outbox.record(domain.scope, [*names, *(f"@{name}" for name in names)], nodes=[domain.node])
