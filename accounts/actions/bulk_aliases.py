"""Adding many aliases: one transaction, one outbox row a domain (STYLE 7)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from accounts.actions.bulk import ROWS_A_STATEMENT, first_taken
from accounts.actions.limits import check_new_alias
from accounts.actions.taken import locked_domain
from accounts.actor import Actor
from accounts.models import Account, Alias, AliasTarget, TakenAddress
from audit import record as audit
from domains.models import Domain, DomainAlias
from provisioning import outbox
from qmailux_site.errors import ActionRefused


@dataclass(frozen=True, slots=True)
class NewAlias:
    """One checked row. localpart: "" is the catch-all. domain_alias: set when the name lies in one."""

    domain: Domain
    localpart: str
    targets: tuple[str, ...]
    domain_alias: DomainAlias | None = None

    @property
    def address(self) -> str:
        return f"{self.localpart}@{self.domain_alias.name if self.domain_alias else self.domain.name}"


def add_aliases(rows: Sequence[NewAlias], *, by: Actor) -> int:
    """All of the aliases or none; returns their number.

    The rows have been checked one by one (accounts.bulk_aliases); here a taken address, a limit or a domain
    that has gone meanwhile refuses the whole.
    """
    by_domain: dict[int, list[NewAlias]] = defaultdict(list)
    domains: dict[int, Domain] = {}
    for row in rows:
        by_domain[row.domain.pk].append(row)
        domains[row.domain.pk] = row.domain
    for domain in domains.values():
        by.must_manage(domain)
    try:
        with transaction.atomic():
            fresh = {pk: locked_domain(domains[pk]) for pk in sorted(domains)}
            for pk in sorted(fresh, key=lambda key: fresh[key].name):
                _add_to_domain(fresh[pk], by_domain[pk], by=by)
    except IntegrityError:
        taken = first_taken([row.address for row in rows])
        raise ActionRefused(
            "address", _("The address %(address)s is already taken.") % {"address": taken}
        ) from None
    return len(rows)


def _add_to_domain(domain: Domain, rows: list[NewAlias], *, by: Actor) -> None:
    check_new_alias(domain, count=len(rows))
    TakenAddress.objects.bulk_create(
        [TakenAddress(address=row.address) for row in rows], batch_size=ROWS_A_STATEMENT
    )
    aliases = Alias.objects.bulk_create(
        [
            Alias(domain=domain, domain_alias=row.domain_alias, localpart=row.localpart, address=row.address)
            for row in rows
        ],
        batch_size=ROWS_A_STATEMENT,
    )
    accounts = _accounts_here({target for row in rows for target in row.targets})
    AliasTarget.objects.bulk_create(
        [
            AliasTarget(alias=alias, address=target, account_id=accounts.get(target))
            for alias, row in zip(aliases, rows, strict=True)
            for target in row.targets
        ],
        batch_size=ROWS_A_STATEMENT,
    )
    audit.record(by, "aliases.imported", domain.name, scope=domain.name, count=len(rows))
    # Beside a catch-all every account of the domain gets an entry of its own.
    keys = [row.address if row.localpart else outbox.addresses_of(domain.name) for row in rows]
    outbox.record(domain.scope, [*keys, *_answering(sorted(accounts))], nodes=[domain.node])


def _accounts_here(addresses: set[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    wanted = sorted(addresses)
    for start in range(0, len(wanted), ROWS_A_STATEMENT):
        batch = wanted[start : start + ROWS_A_STATEMENT]
        found.update(Account.objects.filter(address__in=batch).values_list("address", "pk"))
    return found


def _answering(addresses: list[str]) -> list[str]:
    """Accounts whose autoresponder answers mail to the new aliases: their scripts name them."""
    found: list[str] = []
    for start in range(0, len(addresses), ROWS_A_STATEMENT):
        batch = addresses[start : start + ROWS_A_STATEMENT]
        answering = Account.objects.filter(address__in=batch, autoresponder__is_on=True)
        found += answering.values_list("address", flat=True)
    return found
