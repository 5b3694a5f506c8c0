"""The panel's Sieve scripts that accounts should have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from django.db.models import Q

from accounts.models import Account, Autoresponder, Forwarding
from domains.models import Domain, DomainAlias
from provisioning.hosts.base import Row
from provisioning.render.files import RenderedFile
from provisioning.render.sieve import Answer, panel_script
from qmailux_site.errors import UnsafeValue


def script_rows(addresses: Iterable[str] | None = None) -> tuple[list[Row], dict[str, str]]:
    """Of these accounts, or of all: address, home and script. And the accounts whose script cannot be
    rendered, with the reason.
    """
    rows: list[Row] = []
    broken: dict[str, str] = {}
    for account in _accounts(addresses):
        try:
            script = _script(account)
        except UnsafeValue as error:
            broken[account.address] = str(error)
            continue
        if script is not None:
            rows.append((account.address, account.home, script.content.decode()))
    return rows, broken


def _accounts(addresses: Iterable[str] | None) -> Iterator[Account]:
    wanted = Q(forwarding__isnull=False) | Q(autoresponder__is_on=True)
    stored = Account.objects.filter(wanted, has_mailbox=True, domain__in=Domain.objects.hosted())
    if addresses is not None:
        stored = stored.filter(address__in=list(addresses))
    stored = stored.select_related("forwarding", "autoresponder")
    related = ("forwarding__targets", "alias_targets__alias", "domain__domain_aliases")
    return stored.prefetch_related(*related).iterator(chunk_size=2000)


def _script(account: Account) -> RenderedFile | None:
    forwarding: Forwarding | None = getattr(account, "forwarding", None)
    autoresponder: Autoresponder | None = getattr(account, "autoresponder", None)
    return panel_script(
        home=account.home,
        forward_to=[target.address for target in forwarding.targets.all()] if forwarding else (),
        keep_copy=forwarding.keeps_copy if forwarding else True,
        answer=_answer(account, autoresponder) if autoresponder and autoresponder.is_on else None,
    )


def _answer(account: Account, autoresponder: Autoresponder) -> Answer:
    return Answer(
        sender_name=account.name,
        sender=account.address,
        addresses=tuple(_own_addresses(account)),
        subject=autoresponder.subject,
        text=autoresponder.text,
        first_day=autoresponder.starts_on,
        last_day=autoresponder.ends_on,
        interval_hours=autoresponder.interval_hours,
        period=autoresponder.period,
    )


def _own_addresses(account: Account) -> list[str]:
    """Every form in which mail may name the account. A catch-all is none: it names somebody else."""
    names: Iterable[DomainAlias] = account.domain.domain_aliases.all() if account.domain else ()
    aliases = [target.alias for target in account.alias_targets.all() if not target.alias.is_catch_all]
    found = {account.address, *(alias.address for alias in aliases)}
    found |= {f"{account.localpart}@{name.name}" for name in names}
    in_own_domain = [alias for alias in aliases if alias.domain_alias_id is None]
    found |= {
        f"{alias.localpart}@{name.name}"
        for alias in in_own_domain
        for name in names
        if alias.domain_id == account.domain_id
    }
    return sorted(found)
