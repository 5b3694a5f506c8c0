"""The rows of app passwords that the accounts file should have."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from accounts.models import AppPassword
from accounts.passwords import to_dovecot
from domains.models import Domain
from provisioning.render.dovecot import AppPasswordRow, app_password_row
from qmailux_site.errors import UnsafeValue
from qmailux_site.streaming import streamed


def app_password_rows(
    addresses: Iterable[str] | None = None,
) -> tuple[list[AppPasswordRow], dict[str, str]]:
    """Of these accounts, or of all; and the accounts whose app passwords cannot be rendered, with the
    reason.
    """
    rows: list[AppPasswordRow] = []
    broken: dict[str, str] = {}
    for address, found in groupby(_stored(addresses), key=lambda row: row[0]):
        try:
            hashes = {selector: to_dovecot(password) for _address, selector, password in found}
            rows.append(app_password_row(address, hashes))
        except UnsafeValue as error:
            broken[address] = str(error)
    return rows, broken


def _stored(addresses: Iterable[str] | None) -> Iterable[tuple[str, str, str]]:
    stored = AppPassword.objects.filter(
        account__has_mailbox=True, account__domain__in=Domain.objects.hosted()
    ).order_by("account__address", "selector")
    if addresses is not None:
        stored = stored.filter(account__address__in=list(addresses))
    columns = stored.values_list("account__address", "selector", "password")
    return streamed(columns, names=addresses)
