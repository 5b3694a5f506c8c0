"""Blocking addresses and networks, and lifting it."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from datetime import datetime

from axes.utils import reset as forget_failures
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.actions.locks import check_end
from accounts.actor import Actor
from audit import record as audit
from domains.models import IPAddress
from enforcement.models import Block, FailedLogin
from provisioning import outbox
from provisioning.models import SERVER_SCOPE
from qmailux_site.errors import ActionRefused

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
# A slip of the finger must not shut out half of the world.
SHORTEST_PREFIX = {4: 8, 6: 16}


@transaction.atomic
def add_block(
    *,
    network: str,
    reason: str,
    service: str = "all",
    until: datetime | None = None,
    login: str = "",
    failures: int = 0,
    may_shut_out_self: bool = False,
    by: Actor,
) -> Block:
    """No connection from there any more, and open ones end. login: only logins to this account, over the one
    service. failures: wrong passwords that led to it. Refused: an own address of the server, and without
    may_shut_out_self the address that the person is at.
    """
    by.must_be_superadmin()
    parsed = parse_network(network)
    if not login:
        _refuse_own(parsed)
        _refuse_self(parsed, may_shut_out_self, by)
    if service not in Block.Service.values:
        raise ActionRefused("service", _("There is no such service."))
    if not reason.strip():
        raise ActionRefused("reason", _("Say why: whoever lifts it later will read it."))
    check_end(until)
    block = Block(
        network=str(parsed),
        service=service,
        login=login,
        reason=reason.strip()[:200],
        until=until,
        failures=failures,
        is_automatic=by.channel == "task",
        set_by=by.name(),
    )
    try:
        with transaction.atomic():
            block.save(force_insert=True)
    except IntegrityError:
        raise ActionRefused("network", _("%(network)s is blocked already.") % {"network": parsed}) from None
    audit.record(by, "block.added", block.network, scope="server", service=service, reason=block.reason)
    outbox.record(SERVER_SCOPE, [block.key])
    return block


@transaction.atomic
def lift_block(block: Block, *, by: Actor) -> None:
    """Connections are possible again at once."""
    by.must_be_superadmin()
    audit.record(
        by, "block.lifted", block.network, scope="server", service=block.service, reason=block.reason
    )
    if block.login and block.service == Block.Service.WEB:
        forget_failures(ip=block.address, username=block.login)
    FailedLogin.objects.filter(address=block.address).delete()
    key = block.key
    block.delete()
    outbox.record(SERVER_SCOPE, [key])


def lift_blocks_that_are_over(*, by: Actor) -> int:
    """The packet filter has forgotten them by itself; returns their number."""
    over = list(Block.objects.filter(until__lte=timezone.now()))
    for block in over:
        lift_block(block, by=by)
    return len(over)


@transaction.atomic
def note_hits(packets: Mapping[str, int]) -> None:
    """packets: what the filter counted, by the block's name. A filter that was made anew begins at zero."""
    now = timezone.now()
    for block in Block.objects.filter(login=""):
        counted = packets.get(block.key)
        if counted is None or counted == block.counted:
            continue
        more = counted - block.counted if counted > block.counted else counted
        Block.objects.filter(pk=block.pk).update(hits=F("hits") + more, counted=counted, last_hit_at=now)


def parse_network(text: str) -> Network:
    """An address is a network of one. Host bits are dropped; refused: what is no network, or too large."""
    try:
        parsed = ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        raise ActionRefused(
            "network",
            _("%(text)s is neither an IP address nor a network such as 192.0.2.0/24.")
            % {"text": text.strip()},
        ) from None
    mapped = getattr(parsed.network_address, "ipv4_mapped", None)
    if mapped is not None and parsed.prefixlen >= 96:
        parsed = ipaddress.ip_network(f"{mapped}/{parsed.prefixlen - 96}")
    if parsed.prefixlen < SHORTEST_PREFIX[parsed.version]:
        raise ActionRefused(
            "network",
            _("%(network)s is too large: at most a /%(limit)d can be blocked.")
            % {"network": parsed, "limit": SHORTEST_PREFIX[parsed.version]},
        )
    return parsed


def is_in(address: str, network: str) -> bool:
    """Whether the address lies in it."""
    return _holds(parse_network(network), address)


def _refuse_own(network: Network) -> None:
    own = [
        settings.QMAILUX_LAYOUT.own_address,
        "127.0.0.1",
        "::1",
        *IPAddress.objects.values_list("address", flat=True),
    ]
    for address in own:
        if _holds(network, address):
            raise ActionRefused(
                "network",
                _("%(address)s is an address of this server: its own parts would be shut out.")
                % {"address": address},
            )


def _refuse_self(network: Network, may_shut_out_self: bool, by: Actor) -> None:
    if by.address and not may_shut_out_self and _holds(network, by.address):
        raise ActionRefused(
            "may_shut_out_self",
            _("You are at %(address)s yourself: this would shut you out. Tick this if you mean it.")
            % {"address": by.address},
        )


def _holds(network: Network, address: str) -> bool:
    parsed = ipaddress.ip_address(address)
    mapped = getattr(parsed, "ipv4_mapped", None)
    return (mapped or parsed) in network
