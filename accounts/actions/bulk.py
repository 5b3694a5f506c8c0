"""Adding many accounts: one transaction, one outbox row a domain (STYLE 7)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.db.models import OuterRef, Subquery
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.actions.limits import check_new_accounts
from accounts.actions.taken import locked_domain, refuse_deleted
from accounts.actor import Actor
from accounts.models import Account, AliasTarget, TakenAddress
from audit import record as audit
from domains.models import Domain
from provisioning import outbox
from qmailux_site.errors import ActionRefused

ROWS_A_STATEMENT = 2000


@dataclass(frozen=True, slots=True)
class NewAccount:
    """One checked row. password_hash: the stored form. quota_bytes: None takes the domain's default."""

    domain: Domain
    localpart: str
    password_hash: str
    name: str = ""
    quota_bytes: int | None = None
    language: str = ""
    must_change_password: bool = False

    @property
    def address(self) -> str:
        return f"{self.localpart}@{self.domain.name}"


def add_accounts(rows: Sequence[NewAccount], *, by: Actor) -> int:
    """All of the accounts or none; returns their number.

    The rows have been checked one by one (accounts.bulk); here a taken address, a limit or a domain that has
    gone meanwhile refuses the whole.
    """
    by_domain: dict[int, list[NewAccount]] = defaultdict(list)
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


def _add_to_domain(domain: Domain, rows: list[NewAccount], *, by: Actor) -> None:
    quotas = [domain.default_quota_bytes if row.quota_bytes is None else row.quota_bytes for row in rows]
    check_new_accounts(domain, quotas)
    addresses = [row.address for row in rows]
    for start in range(0, len(addresses), ROWS_A_STATEMENT):
        refuse_deleted(addresses[start : start + ROWS_A_STATEMENT], field="address")
    TakenAddress.objects.bulk_create(
        [TakenAddress(address=address) for address in addresses], batch_size=ROWS_A_STATEMENT
    )
    now = timezone.now()
    Account.objects.bulk_create(
        [
            Account(
                domain=domain,
                localpart=row.localpart,
                address=address,
                password=row.password_hash,
                name=row.name,
                quota_bytes=quota,
                language=row.language or domain.language,
                password_changed_at=now,
                must_change_password=row.must_change_password,
            )
            for row, address, quota in zip(rows, addresses, quotas, strict=True)
        ],
        batch_size=ROWS_A_STATEMENT,
    )
    _link_targets_in(domain)
    audit.record(by, "accounts.imported", domain.name, scope=domain.name, count=len(rows))
    outbox.record(domain.scope, addresses, nodes=[domain.node])


def _link_targets_in(domain: Domain) -> None:
    """Alias targets that were no accounts before may be accounts now."""
    unlinked = AliasTarget.objects.filter(account__isnull=True, address__endswith=f"@{domain.name}")
    account = Account.objects.filter(address=OuterRef("address")).values("pk")
    unlinked.filter(address__in=Account.objects.filter(domain=domain).values("address")).update(
        account=Subquery(account)
    )


def first_taken(addresses: list[str]) -> str:
    for start in range(0, len(addresses), ROWS_A_STATEMENT):
        batch = addresses[start : start + ROWS_A_STATEMENT]
        taken = TakenAddress.objects.filter(address__in=batch).order_by("address").first()
        if taken is not None:
            return taken.address
    return _("(repeated in the file)")
