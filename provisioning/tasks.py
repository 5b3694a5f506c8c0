"""Celery tasks of the node's queue, the only ones that run as root. Arguments are ids, never paths or
commands.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import TypeVar

from celery import shared_task
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.actions import begin_purge, forget_purged_mailbox, note_copying
from accounts.actor import Actor
from accounts.filtering import FilterTrial
from accounts.models import Account, DeletedMailbox
from alarms import delivery
from alarms.actions import clear_alarm, raise_alarm, settle_alarms
from alarms.models import AlarmMessage
from alarms.tasks import tell
from antispam.models import UpdateRun
from domains.sealing_actions import seal_clear_secrets
from enforcement.models import Certificate
from provisioning import acme, handover, inspection, outbox, queue_desk, recovery, updates
from provisioning.alarm_mail import send_by_mail, send_texts_by_mail
from provisioning.apply import Applier
from provisioning.blocks import settle_blocks
from provisioning.braking import take_tripped
from provisioning.guessing import look_for_guessing
from provisioning.hosts import host_of
from provisioning.hosts.base import Host
from provisioning.last_logins import read_last_logins
from provisioning.models import Change, Node, QueueRequest, SessionEnd
from provisioning.parts import look_at_parts
from provisioning.presence import look_at_addresses
from provisioning.rotation import is_rotated_by_the_system, rotate_logs
from provisioning.sending import count_sending
from provisioning.served import own_is_due, stale_services
from provisioning.sessions import kick_from
from provisioning.settings_files import settings_files
from provisioning.sms import run_trials_by_mail, send_due_by_mail
from provisioning.spam_expiry import expire_spam
from provisioning.stopped import count_stopped
from provisioning.trials import run_trial
from provisioning.usage import count_usage
from provisioning.watch import look_at_node, silent_nodes
from provisioning.webmail_sessions import end_sessions
from qmailux_site.broker import tell_worker
from qmailux_site.errors import ActionRefused, QmailuxError

log = logging.getLogger(__name__)
Result = TypeVar("Result")

# A look every 20 seconds, and one that waits for dead ports may take a while.
SILENT = timedelta(minutes=3)


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


@shared_task(name="provisioning.tasks.node_try_filters")
def node_try_filters(account_id: int) -> None:
    """Answer somebody who waits to see which rules fire."""
    waiting = FilterTrial.objects.filter(pk=account_id, done_at=None, account__domain__isnull=False)
    trial = waiting.select_related("account__domain__node").first()
    if trial is not None and trial.account.domain is not None:
        run_trial(trial, host_of(trial.account.domain.node), settings.QMAILUX_LAYOUT)


@shared_task(name="provisioning.tasks.node_end_sessions")
def node_end_sessions(order_id: int) -> None:
    """End sessions in webmails, after what was changed is live: else who knows the old password is back."""
    order = SessionEnd.objects.select_related("node").filter(pk=order_id).first()
    if order is None:
        return
    node_apply(order.node_id)
    host, layout = host_of(order.node), settings.QMAILUX_LAYOUT
    try:
        end_sessions(host, layout, order.names, [(name, key) for name, key in order.sessions])
        for address in order.names:
            kick_from(host, layout, address, layout.own_address)
    except QmailuxError as error:
        log.warning("sessions not ended order=%s: %s", order_id, error)
        return
    order.delete()


@shared_task(name="provisioning.tasks.node_hand_over")
def node_hand_over(account_id: int) -> None:
    """Some seconds of copying the mail of somebody who leaves; the next round goes on."""
    departure = handover.waiting().filter(pk=account_id).first()
    if departure is None or departure.account.domain is None:
        return
    node = departure.account.domain.node
    node_apply(node.pk)
    try:
        handover.hand_over(departure, host_of(node), settings.QMAILUX_LAYOUT)
    except QmailuxError as error:
        note_copying(departure, error=str(error), by=Actor.task())
        log.warning("mail not copied account=%s: %s", account_id, error)


@shared_task(name="provisioning.tasks.node_hand_over_all")
def node_hand_over_all() -> None:
    """Go on copying for everybody who leaves, one after the other."""
    for pk in handover.waiting().order_by("began_at").values_list("pk", flat=True):
        node_hand_over(pk)


@shared_task(name="provisioning.tasks.node_sweep")
def node_sweep() -> None:
    """Apply and answer what a dead broker or worker left behind."""
    for pk in FilterTrial.objects.filter(done_at=None).values_list("pk", flat=True):
        node_try_filters(pk)
    for pk in SessionEnd.objects.values_list("pk", flat=True):
        node_end_sessions(pk)
    for node in Node.objects.filter(pk__in=Change.objects.values("node_id").distinct()):
        node_apply(node.pk)


@shared_task(name="provisioning.tasks.node_seal_secrets")
def node_seal_secrets() -> None:
    """Secrets that an older version left in the clear. Here, for once this runs no older one reads them."""
    try:
        while seal_clear_secrets():
            pass
    except QmailuxError as error:
        log.warning("secrets not sealed: %s", error)


@shared_task(name="provisioning.tasks.node_send_recovery")
def node_send_recovery() -> None:
    """Mail the links and codes that people wait for who have forgotten their password."""
    try:
        recovery.send_waiting(settings.QMAILUX_LAYOUT)
    except QmailuxError as error:
        log.warning("recovery letters wait: %s", error)


@shared_task(name="provisioning.tasks.node_send_sms")
def node_send_sms() -> None:
    """SMS whose gateway takes them as mail."""
    send_due_by_mail(settings.QMAILUX_LAYOUT)
    run_trials_by_mail(settings.QMAILUX_LAYOUT)


@shared_task(name="provisioning.tasks.node_count_usage")
def node_count_usage() -> None:
    """Used space, messages and last logins of every mailbox, for the panel."""

    def look(node: Node, host: Host) -> None:
        count_usage(node, host)
        read_last_logins(node, host)

    _on_each_node(look, trouble="usage and logins not read")


@shared_task(name="provisioning.tasks.node_inspect_account")
def node_inspect_account(account_id: int) -> None:
    """Somebody looks at the page that says what is wrong with the account."""
    account = Account.objects.select_related("domain__node").filter(pk=account_id).first()
    if account is None or account.domain is None:
        return
    try:
        inspection.answer(account, host_of(account.domain.node), settings.QMAILUX_LAYOUT)
    except QmailuxError as error:
        log.warning("account not inspected account=%s: %s", account_id, error)


@shared_task(name="provisioning.tasks.node_count_stopped")
def node_count_stopped() -> None:
    """What the protections stopped, for the panel."""
    _on_each_node(count_stopped, trouble="protections not counted")


@shared_task(name="provisioning.tasks.node_fetch_signatures")
def node_fetch_signatures() -> None:
    """New signatures for the virus scanner. Without a network the old ones stay, and doctor says how old."""
    for node in Node.objects.all():
        updates.run_all(node, host_of(node), settings.QMAILUX_LAYOUT, UpdateRun.Kind.SIGNATURES)


@shared_task(name="provisioning.tasks.node_fetch_rules")
def node_fetch_rules() -> None:
    """New rules for the spam check; those that fail their test never get to spamd."""
    for node in Node.objects.all():
        updates.run_all(node, host_of(node), settings.QMAILUX_LAYOUT, UpdateRun.Kind.RULES)


@shared_task(name="provisioning.tasks.node_carry_out_update")
def node_carry_out_update(run_id: int) -> None:
    """Somebody asked for it on the page of the protections."""
    run = UpdateRun.objects.select_related("node").filter(pk=run_id).first()
    if run is not None:
        updates.carry_out(run, host_of(run.node), settings.QMAILUX_LAYOUT)


@shared_task(name="provisioning.tasks.node_look_at_parts")
def node_look_at_parts() -> None:
    """Which parts run, and how old what they know is; and updates that a dead broker left waiting."""
    for node in Node.objects.all():
        look_at_parts(node, host_of(node), settings.QMAILUX_LAYOUT)
    for run in updates.waiting():
        updates.carry_out(run, host_of(run.node), settings.QMAILUX_LAYOUT)


@shared_task(name="provisioning.tasks.node_purge_deleted")
def node_purge_deleted() -> None:
    """Erase the mail of accounts that were deleted long enough ago."""
    limit = timezone.now() - timedelta(days=settings.QMAILUX_DELETED_KEEP_DAYS)
    old = DeletedMailbox.objects.filter(deleted_at__lt=limit).select_related("node")
    for mailbox in old.defer("settings", "aliases"):
        begin_purge(mailbox)
        if not DeletedMailbox.objects.filter(pk=mailbox.pk).exists():
            continue  # restored a moment ago: the mail is somebody's again
        host_of(mailbox.node).remove_tree(f"mail/{mailbox.home}")
        host_of(mailbox.node).remove_tree(f"spamassassin/{mailbox.home}")
        forget_purged_mailbox(mailbox, by=Actor.task())


@shared_task(name="provisioning.tasks.node_answer_queue")
def node_answer_queue(request_id: int) -> None:
    """Answer a question, or carry out an order, to the node's queue."""
    asked = QueueRequest.objects.select_related("node", "requested_by", "acting_as")
    request = asked.filter(pk=request_id).first()
    if request is None or request.answered_at is not None:
        return
    by = queue_desk.asker_of(request)
    try:
        queue_desk.answer(request, host_of(request.node), settings.QMAILUX_LAYOUT, by=by)
    except QmailuxError as error:
        request.error = error.message if isinstance(error, ActionRefused) else str(error)
        request.answered_at = timezone.now()
        request.save(update_fields=["error", "answered_at"])


@shared_task(name="provisioning.tasks.node_look_for_guessing")
def node_look_for_guessing() -> None:
    """Who guesses passwords is stopped."""
    layout = settings.QMAILUX_LAYOUT
    _on_each_node(lambda node, host: look_for_guessing(node, host, layout), trouble="guessing not looked for")


@shared_task(name="provisioning.tasks.node_settle_blocks")
def node_settle_blocks() -> None:
    """Who is blocked stays so, and what they met is counted."""
    layout = settings.QMAILUX_LAYOUT
    _on_each_node(lambda node, host: settle_blocks(node, host, layout), trouble="blocks not settled")


@shared_task(name="provisioning.tasks.node_fetch_certificate")
def node_fetch_certificate(certificate_id: int) -> None:
    """Somebody ordered a certificate by ACME, or wants it renewed."""
    certificate = Certificate.objects.filter(pk=certificate_id, kind=Certificate.Kind.ACME).first()
    node = Node.objects.order_by("pk").first()
    if certificate is not None and node is not None:
        acme.fetch(certificate, host_of(node), settings.QMAILUX_LAYOUT)


@shared_task(name="provisioning.tasks.node_look_at_certificates")
def node_look_at_certificates() -> None:
    """Renew those of our own authority and of ACME before their time, and see that every port serves what it
    should.
    """
    layout = settings.QMAILUX_LAYOUT
    for pk in acme.due_for_acme():
        node_fetch_certificate(pk)
    if own_is_due(layout):
        with transaction.atomic():
            outbox.record_settings()
    for node in Node.objects.all():
        settle_alarms(["certificate.stale"], stale_services(layout, node), of=node.name)


@shared_task(name="provisioning.tasks.node_look_at_addresses")
def node_look_at_addresses() -> None:
    """An address that came or went: its listeners come and go with it."""
    _on_each_node(_look_at_addresses, trouble="addresses not looked at")


def _look_at_addresses(node: Node, host: Host) -> None:
    changed = look_at_addresses(node, host)
    for row in changed:
        log.warning("address=%s present=%s node=%s", row.address, row.is_present, node.name)
    if not changed and _machine_has_changed(host):
        with transaction.atomic():
            outbox.record_settings()


def _machine_has_changed(host: Host) -> bool:
    """A server that is bound to all its addresses names them one by one once some have names of their own;
    and its resolver may have become another.
    """
    files = settings_files(settings.QMAILUX_LAYOUT)
    paths = ("etc/postfix/master.cf", "etc/opendkim/opendkim.conf")
    return any(host.read(file.path) != file.content for file in files if file.path in paths)


@shared_task(name="provisioning.tasks.node_count_sending")
def node_count_sending() -> None:
    """What each account sent, for the panel."""
    layout = settings.QMAILUX_LAYOUT
    _on_each_node(lambda _node, host: count_sending(host, layout), trouble="sending not counted")


@shared_task(name="provisioning.tasks.node_take_tripped")
def node_take_tripped() -> None:
    """Whom the brake has stopped by itself: the queued mail is held, and people are told at once."""
    layout = settings.QMAILUX_LAYOUT
    begun = _on_each_node(lambda _node, host: take_tripped(host, layout), trouble="brake not asked")
    if any(begun):
        delivery.note_what_is_to_be_told()
        for task in (tell, node_mail_alarms):
            tell_worker(task, otherwise="beat will tell of the alarm")


@shared_task(name="provisioning.tasks.node_expire_spam")
def node_expire_spam() -> None:
    """Nightly: what lies in the folders SPAM for too long, of users too who neither log in nor get mail."""
    layout = settings.QMAILUX_LAYOUT
    _on_each_node(
        lambda node, host: expire_spam(node, host, layout, now=timezone.now()), trouble="spam not expired"
    )


@shared_task(name="provisioning.tasks.node_rotate_logs")
def node_rotate_logs() -> None:
    """Daily, where the system's own logrotate does not do it."""
    layout = settings.QMAILUX_LAYOUT
    if not is_rotated_by_the_system(layout):
        _on_each_node(lambda _node, host: rotate_logs(host, layout), trouble="logs not rotated")


@shared_task(name="provisioning.tasks.node_watch")
def node_watch() -> None:
    """Is everything as it should be on every node? What is not becomes an alarm."""
    for node in Node.objects.all():
        try:
            look_at_node(node, host_of(node), settings.QMAILUX_LAYOUT)
        except QmailuxError as error:
            raise_alarm("node.unreachable", about=node.name, why=str(error))
        else:
            clear_alarm("node.unreachable", about=node.name)


@shared_task(name="provisioning.tasks.watch_nodes")
def watch_nodes() -> None:
    """Of the other worker: does the node's still look?"""
    silent = {trouble.about: trouble for trouble in silent_nodes(SILENT)}
    for name in Node.objects.values_list("name", flat=True):
        settle_alarms(["node.silent"], [silent[name]] if name in silent else [], of=name)


@shared_task(name="provisioning.tasks.node_mail_alarms")
def node_mail_alarms() -> None:
    """Alarms that go by mail, and texts whose gateway takes them as mail."""
    node = Node.objects.order_by("pk").first()
    if node is not None:
        send = partial(send_by_mail, host=host_of(node), layout=settings.QMAILUX_LAYOUT)
        delivery.deliver(AlarmMessage.Channel.MAIL, send)
        send_texts_by_mail(host_of(node), settings.QMAILUX_LAYOUT)


def _on_each_node(work: Callable[[Node, Host], Result], *, trouble: str) -> list[Result]:
    """What came of it where it could be done; where not, the log names the trouble, and the others go on."""
    results = []
    for node in Node.objects.all():
        try:
            results.append(work(node, host_of(node)))
        except QmailuxError as error:
            log.warning("%s node=%s: %s", trouble, node.name, error)
    return results


def applier_for(node: Node) -> Applier:
    return Applier(node=node, host=host_of(node), layout=settings.QMAILUX_LAYOUT)
