"""Celery tasks of the node's queue, the only ones that run as root. Arguments are ids, never paths or
commands.
"""

from __future__ import annotations

import logging
from datetime import timedelta

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from accounts.actions import forget_purged_mailbox
from accounts.actor import Actor
from accounts.models import DeletedMailbox
from provisioning.apply import Applier
from provisioning.hosts import host_of
from provisioning.last_logins import read_last_logins
from provisioning.models import Change, Node
from provisioning.usage import count_usage
from qmailux_site.errors import QmailuxError

log = logging.getLogger(__name__)


@shared_task(name="provisioning.tasks.node_apply")
def node_apply(node_id: int) -> None:
    """Apply what waits for the node. Twice is harmless: the state is read from the database, not from the
    task.
    """
    node = Node.objects.filter(pk=node_id).first()
    if node is None:
        return
    try:
        applier_for(node).apply_pending()
    except QmailuxError as error:
        # Noted beside the object by the applier; the sweep tries again.
        log.warning("apply incomplete node=%s: %s", node.name, error)


@shared_task(name="provisioning.tasks.node_sweep")
def node_sweep() -> None:
    """Apply what a dead broker or worker left behind."""
    for node in Node.objects.filter(pk__in=Change.objects.values("node_id").distinct()):
        node_apply(node.pk)


@shared_task(name="provisioning.tasks.node_count_usage")
def node_count_usage() -> None:
    """Used space, messages and last logins of every mailbox, for the panel."""
    for node in Node.objects.all():
        try:
            count_usage(node, host_of(node))
            read_last_logins(node, host_of(node))
        except QmailuxError as error:
            log.warning("usage and logins not read node=%s: %s", node.name, error)


@shared_task(name="provisioning.tasks.node_purge_deleted")
def node_purge_deleted() -> None:
    """Erase the mail of accounts that were deleted long enough ago."""
    limit = timezone.now() - timedelta(days=settings.QMAILUX_DELETED_KEEP_DAYS)
    for mailbox in DeletedMailbox.objects.filter(deleted_at__lt=limit).select_related("node"):
        host_of(mailbox.node).remove_tree(f"mail/{mailbox.home}")
        forget_purged_mailbox(mailbox, by=Actor.task())


def applier_for(node: Node) -> Applier:
    return Applier(node=node, host=host_of(node), layout=settings.QMAILUX_LAYOUT)
