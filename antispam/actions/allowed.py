"""What goes past the protections of the server: networks and senders."""

from __future__ import annotations

from ipaddress import ip_network

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.actor import Actor
from antispam.models import AllowedPast
from antispam.patterns import Reach, reach_of, sender_pattern
from audit import record as audit
from provisioning import outbox
from qmailux_site.errors import ActionRefused

MOST_ALLOWED = 1000
# A wider network would switch the protections off for much of the world.
WIDEST = {4: 8, 6: 16}


def allow_past(typed: str, *, passes_viruses: bool = False, by: Actor) -> AllowedPast:
    """Its mail goes past the protections, within seconds; past the virus check only if said so.

    typed: "192.0.2.0/24", an address of the net, "jan@firma.example" or "firma.example". One that is there
    gets the new answer about viruses. Refused: a network wider than WIDEST, a sender with stars.
    """
    by.must_be_superadmin()
    kind, value = _parsed(typed.strip())
    with transaction.atomic():
        found, is_new = AllowedPast.objects.update_or_create(
            value=value, defaults={"kind": kind, "passes_viruses": passes_viruses}
        )
        if is_new and AllowedPast.objects.count() > MOST_ALLOWED:
            raise ActionRefused(
                "value", _("At most %(limit)d entries are possible.") % {"limit": MOST_ALLOWED}
            )
        audit.record(by, "protection.allowed", value, scope="server", passes_viruses=passes_viruses)
        outbox.record_settings()
    return found


@transaction.atomic
def stop_allowing(value: str, *, by: Actor) -> None:
    """It meets the protections again."""
    by.must_be_superadmin()
    gone, _by_model = AllowedPast.objects.filter(value=value.strip()).delete()
    if not gone:
        raise ActionRefused("value", _("%(pattern)s is not on the list.") % {"pattern": value[:80]})
    audit.record(by, "protection.not_allowed", value.strip(), scope="server")
    outbox.record_settings()


def _parsed(typed: str) -> tuple[AllowedPast.Kind, str]:
    try:
        network = ip_network(typed, strict=False)
    except ValueError:
        return AllowedPast.Kind.SENDER, _sender(typed)
    if network.prefixlen < WIDEST[network.version]:
        sentence = _("%(network)s is too wide: at least /%(least)d is needed.")
        values = {"network": network, "least": WIDEST[network.version]}
        raise ActionRefused("value", sentence % values)
    return AllowedPast.Kind.NETWORK, str(network)


def _sender(typed: str) -> str:
    """An address, or a domain alone."""
    pattern = sender_pattern(typed, field="value")
    reach = reach_of(pattern)
    if reach == Reach.PATTERN:
        raise ActionRefused("value", _("Enter a network, an address or a domain, without stars."))
    return pattern.removeprefix("*@") if reach == Reach.DOMAIN else pattern
