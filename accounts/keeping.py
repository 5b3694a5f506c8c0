"""What is kept of a deleted account beside its mail, so that it can come back as it was.

Every row that goes with the account is kept as it is: password, filters, forwarding, autoresponder, app
passwords, second factor, whatever is added later. Rights are not: they are given anew.
"""

from __future__ import annotations

from typing import Any

from django.core import serializers
from django.db import DEFAULT_DB_ALIAS, models
from django.db.models.deletion import Collector

from accounts.models import Account
from domains.models import Domain

# They belong to the moment, or to somebody's rights.
_NOT_KEPT = {
    "accounts.account_managed_domains",
    "accounts.bulkjob",
    "accounts.copiedfolder",
    "accounts.departure",
    "accounts.filtertrial",
    "accounts.notice",
    "accounts.noticedmail",
    "accounts.panelsession",
    "accounts.rolegrant",
    "accounts.passwordreset",
    "accounts.smsmessage",
    "admin.logentry",
    "provisioning.inspection",
    "provisioning.queuerequest",
    "webmail.webmailsession",
}
_RIGHTS = ("managed_domains", "is_superuser")


def rows_of(account: Account) -> list[dict[str, Any]]:
    """The account first, then what points to it; plain values."""
    collector = Collector(using=DEFAULT_DB_ALIAS)
    collector.collect([account])
    rows: list[models.Model] = [row for found in collector.data.values() for row in found]
    rows += [row for found in collector.fast_deletes for row in found]
    kept = [row for row in rows if row._meta.label_lower not in _NOT_KEPT]
    kept.sort(key=lambda row: (not isinstance(row, Account), row._meta.label_lower, str(row.pk)))
    plain: list[dict[str, Any]] = serializers.serialize("python", kept)
    for name in _RIGHTS:
        plain[0]["fields"].pop(name, None)
    return plain


def bring_back(rows: list[dict[str, Any]], *, domain: Domain) -> Account:
    """Save the rows again, with their old numbers. A column that is gone since is read over."""
    account: Account | None = None
    for kept in serializers.deserialize("python", rows, ignorenonexistent=True):
        if isinstance(kept.object, Account):
            account = kept.object
            account.domain = domain
        kept.save(force_insert=True)
    if account is None:
        raise ValueError("no account among the rows")
    return account
