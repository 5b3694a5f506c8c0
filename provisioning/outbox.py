"""The hand-over from a change in the database to the mail plane (DESIGN 4).

`record` is called last in an action, inside its transaction: the change and the order to apply it are one
commit. The message to the worker after the commit is only a hint; a sweep finds what a dead broker lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from django.db import connection, transaction

from provisioning.models import SERVER_SCOPE, Change, Node, Scope, SessionEnd
from qmailux_site.broker import tell_worker

ALL: Final = ("*",)
# RFC 5321 4.5.1 and RFC 2142: mail for these is accepted in every hosted domain, alias or not.
ALWAYS_ACCEPTED: Final = ("abuse", "postmaster")
# What the stores hold of the lock of the whole server, and of its mandatory encryption.
SERVER_LOCK: Final = "server-lock"
SERVER_ENCRYPTION: Final = "server-encryption"
# A change of unknown size counts as large, so that it never runs in front of single changes.
WHOLE_SCOPE_KEYS = 1_000_000


def addresses_of(name: str) -> str:
    """The key for all addresses that the database has under a domain or domain alias, and the name itself."""
    return f"+@{name}"


def everything_under(name: str) -> str:
    """As addresses_of, and whatever else the machine has under the name: for names that go."""
    return f"*@{name}"


def record(scope: str, keys: Sequence[str] = ALL, *, nodes: Sequence[Node] | None = None) -> int:
    """Order the keys of the scope to be applied again; returns the new revision.

    Call it last in the action. It takes the scope's row lock, which is held until the commit: so revisions
    are numbered in commit order, and a slow transaction cannot slip in behind a worker that has passed its
    number. nodes: those concerned (all, when not given).
    """
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("outbox.record belongs into the action's transaction")
    revision = _next_revision(scope)
    keys = list(dict.fromkeys(keys))
    whole = any(key.startswith(("*", "+@")) for key in keys)
    concerned = list(Node.objects.all()) if nodes is None else list(nodes)
    Change.objects.bulk_create(
        Change(
            node=node,
            scope=scope,
            revision=revision,
            keys=keys,
            key_count=WHOLE_SCOPE_KEYS if whole else len(keys),
        )
        for node in concerned
    )
    for node_id in {node.pk for node in concerned}:
        transaction.on_commit(lambda node_id=node_id: nudge(node_id))  # type: ignore[misc]  # bound per node
    return revision


def record_settings() -> int:
    """Order the server's settings to be rendered again on every node."""
    return record(SERVER_SCOPE, ALL)


def _next_revision(scope: str) -> int:
    """Upsert and increment in one statement, so that the row lock is held from here to the commit."""
    table = connection.ops.quote_name(Scope._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} (name, revision) VALUES (%s, 1) "  # noqa: S608  # our own table's name
            f"ON CONFLICT (name) DO UPDATE SET revision = {table}.revision + 1 RETURNING revision",
            [scope],
        )
        return int(cursor.fetchone()[0])


def nudge(node_id: int) -> None:
    """Tell the node's worker that there is something to do. A dead broker costs seconds, never the change."""
    from provisioning.tasks import node_apply

    tell_worker(node_apply, node_id, otherwise=f"the sweep will apply node={node_id}")


def copy_mail(account_id: int) -> None:
    """Order the mail of somebody who leaves to be copied to the colleague, once the change is live."""
    transaction.on_commit(lambda: _nudge_to_copy(account_id))


def _nudge_to_copy(account_id: int) -> None:
    from provisioning.tasks import node_hand_over

    tell_worker(node_hand_over, account_id, otherwise=f"the next round will copy mail account={account_id}")


def end_sessions(node: Node, *, names: Sequence[str], sessions: Sequence[tuple[str, str]]) -> None:
    """Order sessions in webmails to be ended once the changes before it are live; see SessionEnd."""
    order = SessionEnd.objects.create(
        node=node, names=list(names), sessions=[list(pair) for pair in sessions]
    )
    transaction.on_commit(lambda: _nudge_to_end(order.pk))


def _nudge_to_end(order_id: int) -> None:
    from provisioning.tasks import node_end_sessions

    tell_worker(node_end_sessions, order_id, otherwise=f"the sweep will end sessions order={order_id}")


def fetch_certificate(certificate_id: int) -> None:
    """Order a certificate to be fetched by ACME, which takes its time, so it is no part of applying."""
    transaction.on_commit(lambda: _nudge_to_fetch(certificate_id))


def _nudge_to_fetch(certificate_id: int) -> None:
    from provisioning.tasks import node_fetch_certificate

    tell_worker(node_fetch_certificate, certificate_id, otherwise="the next look at certificates fetches it")
