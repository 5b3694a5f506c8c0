"""Secrets from before there were seals."""

from __future__ import annotations

from django.db import connection, transaction

from accounts.actions.taken import locked_domain
from domains.dkim_actions import record_signing
from domains.models import DkimKey, Smarthost
from domains.smarthost_actions import record_login
from qmailux_site.sealing import seal

ROWS_A_ROUND = 200


def seal_clear_secrets() -> int:
    """Seal what still stands in the clear, some rows a round; returns how many. Mail goes on meanwhile: what
    is rendered is the same secret. Raises SetupError where the instance has no key yet.
    """
    keys = list(DkimKey.objects.exclude(private_key="").values_list("pk", flat=True)[:ROWS_A_ROUND])
    smarthosts = list(Smarthost.objects.exclude(password="").values_list("pk", flat=True)[:ROWS_A_ROUND])
    if keys or smarthosts:
        _overwrite_what_goes()
    return sum(_seal_key(pk) for pk in keys) + sum(_seal_smarthost(pk) for pk in smarthosts)


@transaction.atomic
def _seal_key(pk: int) -> int:
    found = DkimKey.objects.select_related("domain__node").exclude(private_key="").filter(pk=pk)
    _lock_domain(found.first())
    key = found.first()
    if key is None:
        return 0
    key.sealed_key, key.private_key = seal(key.private_key, purpose=key.purpose), ""
    key.save(update_fields=["sealed_key", "private_key"])
    if key.state == DkimKey.State.SIGNING:
        record_signing(key.domain)
    return 1


@transaction.atomic
def _seal_smarthost(pk: int) -> int:
    found = Smarthost.objects.select_related("domain__node").exclude(password="").filter(pk=pk)
    _lock_domain(found.first())
    row = found.select_for_update(of=("self",)).first()
    if row is None:
        return 0
    row.sealed_password, row.password = seal(row.password, purpose=row.purpose), ""
    row.save(update_fields=["sealed_password", "password"])
    record_login(row.domain, [row])
    return 1


def _lock_domain(row: DkimKey | Smarthost | None) -> None:
    """Before what belongs to it: all who write lock in this order."""
    if row is not None and row.domain is not None:
        locked_domain(row.domain, field="name")


def _overwrite_what_goes() -> None:
    """SQLite keeps what was deleted in the free part of its pages, unless it is told not to."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA secure_delete = ON")
