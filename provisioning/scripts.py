"""The panel's Sieve scripts that accounts should have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from accounts.models import Forwarding
from domains.models import Domain
from provisioning.hosts.base import Row
from provisioning.layout import home_of_account
from provisioning.render.sieve import panel_script
from qmailux_site.errors import UnsafeValue


def script_rows(addresses: Iterable[str] | None = None) -> tuple[list[Row], dict[str, str]]:
    """Of these accounts, or of all: address, home and script. And the accounts whose script cannot be
    rendered, with the reason.
    """
    rows: list[Row] = []
    broken: dict[str, str] = {}
    for forwarding in _forwardings(addresses):
        account = forwarding.account
        home = home_of_account(account.uuid.hex)
        try:
            script = panel_script(
                home=home,
                forward_to=[target.address for target in forwarding.targets.all()],
                keep_copy=forwarding.keeps_copy,
            )
        except UnsafeValue as error:
            broken[account.address] = str(error)
            continue
        if script is not None:
            rows.append((account.address, home, script.content.decode()))
    return rows, broken


def _forwardings(addresses: Iterable[str] | None) -> Iterator[Forwarding]:
    stored = Forwarding.objects.filter(account__has_mailbox=True, account__domain__in=Domain.objects.hosted())
    if addresses is not None:
        stored = stored.filter(account__address__in=list(addresses))
    return stored.select_related("account").prefetch_related("targets").iterator(chunk_size=2000)
