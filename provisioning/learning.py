"""Teaching by folders: what people put into them is taught to their own Bayes, then leaves the folder.

Spam is erased (and kept for some days where only root reads), wanted mail returns to the INBOX as it came.
Each step can be done again: spamd knows what it has learned, receipts and kept copies have one name a
message, and what was returned is recognised. So a learner may be killed at any line.
"""

from __future__ import annotations

import email.errors
import email.header
import email.parser
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from accounts import notices
from accounts.actor import Actor
from accounts.models import Account, Notice
from antispam.actions import teaching
from antispam.markup import without_markup
from antispam.models import TaughtBatch, TaughtMessage, TeachRequest
from domains.models import Domain
from provisioning.events import take_events
from provisioning.hosts.base import Host
from provisioning.layout import Layout, home_of_account
from provisioning.mailbox import Mailbox, Stored, chunks, opened
from provisioning.models import Node
from provisioning.noticed import note_mail
from provisioning.render.files import RenderedFile
from provisioning.render.plane import LEARN_FOLDERS, Folders, LearnFolder
from provisioning.spam import folder_of, scan_name
from provisioning.spamd import LearnRefused, Spamd
from provisioning.spamstore import make_mailbox_folder
from qmailux_site.errors import QmailuxError

log = logging.getLogger(__name__)

NOT_TAUGHT = "$QMNotTaught"
MESSAGES_A_CHUNK = 20
BYTES_A_CHUNK = 40 * 1024 * 1024
RECEIPTS_KEPT = timedelta(days=90)
INBOX = "INBOX"
SPAM_FOLDER = Folders().spam


@dataclass(slots=True)
class Learner:
    """Of one node. Every method returns how many messages it moved on."""

    node: Node
    host: Host
    layout: Layout

    @property
    def spamd(self) -> Spamd:
        return Spamd(self.layout.spam_socket)

    def run_events(self) -> int:
        """What IMAP clients put into the folders. An event whose work failed stays for the next round and
        does not stop the others; the last failure is raised.
        """
        taught = 0
        failed: QmailuxError | None = None
        for event in take_events(self.layout):
            account = self._account(event.about) if event.kind in ("learn", "mail") else None
            if account is None:
                log.warning("event dropped kind=%r about=%r", event.kind[:20], event.about[:80])
            elif event.kind == "mail":
                note_mail(account, event)
            else:
                try:
                    taught += self.learn(account)
                except QmailuxError as error:
                    failed = error
                    continue
            event.done()
        if failed is not None:
            raise failed
        return taught

    def sweep(self) -> int:
        """What came in another way than IMAP, or whose event was lost."""
        taught = 0
        for account in self._with_full_folders():
            try:
                taught += self.learn(account)
            except QmailuxError as error:
                log.warning("not taught account=%s: %s", account.address, error)
        return taught

    def learn(self, account: Account) -> int:
        """Everything in the account's folders that teach."""
        taught = 0
        with self.host.lock(f"learn-{account.uuid.hex}"), opened(self.layout, account.address) as mailbox:
            make_mailbox_folder(self.host, folder_of(account))
            left = {batch.kind: batch for batch in self._open_batches(account)}
            for folder in LEARN_FOLDERS:
                taught += self._learn_folder(account, mailbox, folder, left.get(folder.kind))
            for batch in self._open_batches(account):
                teaching.finish_batch(batch, by=Actor.task())
        return taught

    def undo_requested(self) -> int:
        """Forget what people take back, and put their spam into the INBOX again."""
        undone = 0
        domains = Domain.objects.filter(node=self.node)
        for batch in TaughtBatch.objects.to_undo().filter(account__domain__in=domains).order_by("id"):
            try:
                undone += self._undo(batch)
            except QmailuxError as error:
                log.warning("not taken back account=%s: %s", batch.account_id, error)
        return undone

    def teach_requested(self) -> int:
        """What people clicked on: into the folder for it, and taught."""
        taught = 0
        domains = Domain.objects.filter(node=self.node)
        waiting = TeachRequest.objects.filter(done_at=None, account__domain__in=domains).order_by("id")
        for request in waiting.select_related("account__domain"):
            try:
                fault = self._put_into_folder(request)
                taught += self.learn(request.account)
            except QmailuxError as error:
                log.warning("not taught account=%s: %s", request.account_id, error)
                continue
            teaching.finish_request(request, fault=fault, by=Actor.task())
        return taught

    def _put_into_folder(self, request: TeachRequest) -> str:
        """Why not. One that is there already, by a learner that was killed, is found there."""
        account = request.account
        folder = next(
            (one for one in LEARN_FOLDERS if (one.kind, one.language) == (request.kind, account.language)),
            next(one for one in LEARN_FOLDERS if one.kind == request.kind),
        )
        with self.host.lock(f"learn-{account.uuid.hex}"), opened(self.layout, account.address) as mailbox:
            for name in (INBOX, SPAM_FOLDER, folder.name):
                if mailbox.select(name) is None:
                    continue
                found = mailbox.uids("HEADER", "Message-ID", f'"{request.message_id.strip("<> ")}"')
                if found:
                    if name != folder.name:
                        mailbox.move(found, folder.name)
                    return ""
        return "the message lies neither in the INBOX nor in SPAM"

    def purge(self) -> None:
        """Erase copies that were kept long enough."""
        now = timezone.now()
        kept_since = now - timedelta(days=settings.QMAILUX_TAUGHT_KEEP_DAYS)
        for batch in teaching.forget_old_batches(
            kept_since=kept_since, known_since=now - RECEIPTS_KEPT, by=Actor.task()
        ):
            self.host.remove_tree(batch.kept_at)

    # Teaching

    def _learn_folder(
        self, account: Account, mailbox: Mailbox, folder: LearnFolder, left: TaughtBatch | None
    ) -> int:
        """left: the batch of a learner that was killed."""
        stands = mailbox.select(folder.name)
        if stands is None:
            return 0
        if left is not None:
            self._remove_taught(mailbox, left, folder, stands[0])
        uids = mailbox.uids("UNKEYWORD", NOT_TAUGHT, "UNDELETED")
        if not uids:
            return 0
        uidvalidity, uidnext = mailbox.status(INBOX)
        kind = TaughtBatch.Kind(folder.kind)
        batch = teaching.open_batch(
            account, kind=kind, uidvalidity=uidvalidity, uidnext=uidnext, by=Actor.task()
        )
        returned = self._returned_before(mailbox, left, folder) if left is not None else set()
        taught = 0
        for chunk in chunks(mailbox.sizes(uids), most=MESSAGES_A_CHUNK, most_bytes=BYTES_A_CHUNK):
            taught += self._learn_chunk(account, mailbox, batch, _Chunk(folder, stands[0], chunk), returned)
        return taught

    def _learn_chunk(
        self, account: Account, mailbox: Mailbox, batch: TaughtBatch, chunk: _Chunk, returned: set[bytes]
    ) -> int:
        learned: list[tuple[Stored, bytes]] = []
        receipts: list[TaughtMessage] = []
        for uid in chunk.uids:
            message = mailbox.fetch(uid)
            if message is None:
                continue
            clean = without_markup(message.content)
            failure = self._teach(account, clean, batch.kind)
            receipts.append(_receipt(batch, message, chunk.place(uid), failure))
            if failure:
                mailbox.mark(uid, NOT_TAUGHT)
                notices.record(account, Notice.Kind.NOT_TAUGHT, by=Actor.task(), detail=receipts[-1].subject)
            else:
                self._keep(batch, receipts[-1], clean)
                learned.append((message, clean))
        teaching.add_taught(receipts, by=Actor.task())
        if batch.kind == TaughtBatch.Kind.HAM:
            for message, clean in learned:
                if clean not in returned:
                    mailbox.append(INBOX, clean, internal_date=message.internal_date, flags=message.flags)
        if learned:
            mailbox.expunge([message.uid for message, _clean in learned])
        return len(learned)

    def _teach(self, account: Account, message: bytes, kind: str) -> str:
        """Why it cannot be taught; "" when it was. A spamd that is down is no answer: it raises."""
        try:
            self.spamd.learn(message, kind, scan_name(account))
        except LearnRefused as error:
            log.warning("not taught account=%s: %s", account.address, error)
            return str(error)[:200]
        return ""

    def _keep(self, batch: TaughtBatch, receipt: TaughtMessage, message: bytes) -> None:
        path = f"{batch.kept_at}/{receipt.file_name}"
        self.host.write(RenderedFile(path=path, content=message, daemon="", mode=0o600))

    def _remove_taught(
        self, mailbox: Mailbox, left: TaughtBatch, folder: LearnFolder, uidvalidity: int
    ) -> None:
        """What a learner that was killed had marked as deleted and not yet removed. What others marked in the
        folder has no receipt and is theirs.
        """
        taught = set(left.messages.filter(failure="").values_list("place", flat=True))
        marked = [uid for uid in mailbox.uids("DELETED") if _place(folder, uidvalidity, uid) in taught]
        if marked:
            mailbox.expunge(marked)

    def _returned_before(self, mailbox: Mailbox, batch: TaughtBatch, folder: LearnFolder) -> set[bytes]:
        """What a learner that was killed had put into the INBOX, so that it comes back once only."""
        stands = mailbox.select(INBOX)
        found: set[bytes] = set()
        if stands is not None and stands[0] == batch.inbox_uidvalidity:
            for uid in mailbox.uids("UID", f"{batch.inbox_uidnext}:*"):
                message = mailbox.fetch(uid) if uid >= batch.inbox_uidnext else None
                if message is not None:
                    found.add(message.content)
        mailbox.select(folder.name)
        return found

    @staticmethod
    def _open_batches(account: Account) -> QuerySet[TaughtBatch]:
        return TaughtBatch.objects.filter(account=account, finished_at=None).select_related("account__domain")

    # Taking back

    def _undo(self, batch: TaughtBatch) -> int:
        account = batch.account
        undone = 0
        with self.host.lock(f"learn-{account.uuid.hex}"), opened(self.layout, account.address) as mailbox:
            for message in batch.messages.filter(is_kept=True, failure=""):
                content = self.host.read(f"{batch.kept_at}/{message.file_name}")
                if content is None:
                    continue
                self.spamd.forget(content, batch.kind, scan_name(account))
                if batch.kind == TaughtBatch.Kind.SPAM and not self._is_back(mailbox, batch, content):
                    flags = message.flags.split()
                    mailbox.append(INBOX, content, internal_date=message.internal_date, flags=flags)
                teaching.note_returned(message, by=Actor.task())
                undone += 1
            teaching.finish_undo(batch, by=Actor.task())
        self.host.remove_tree(batch.kept_at)
        return undone

    def _is_back(self, mailbox: Mailbox, batch: TaughtBatch, content: bytes) -> bool:
        """Put back by an undo that was killed before it could note it."""
        stands = mailbox.select(INBOX)
        if stands is None or stands[0] != batch.inbox_uidvalidity:
            return False
        sizes = mailbox.sizes(mailbox.uids("UID", f"{batch.inbox_uidnext}:*"))
        alike = [uid for uid, size in sizes.items() if size == len(content)]
        return any((found := mailbox.fetch(uid)) is not None and found.content == content for uid in alike)

    # Whose

    def _account(self, address: str) -> Account | None:
        """A name from the spool: only an account with a mailbox on this node counts."""
        found = Account.objects.with_mailbox().filter(address=address, domain__node=self.node)
        return found.select_related("domain").first()

    def _with_full_folders(self) -> Iterator[Account]:
        """One walk over the mailboxes that opens no folder but those that teach."""
        teaching_folders: list[str] = []
        for folder in LEARN_FOLDERS:
            name = f"*/Maildir/.{folder.name}"
            teaching_folders += ["-o", "-path", name, "-o", "-path", f"{name}/*"]
        argv = ["find", "mail", "-mindepth", "4", "!", "(", *teaching_folders[1:], ")", "-prune", "-o"]
        messages = ["-type", "f", "(", "-path", "*/cur/*", "-o", "-path", "*/new/*", ")", "-print"]
        found = self.host.run([*argv, *messages], timeout=600, check=False)
        homes = {
            "/".join(line.split("/")[1:3]) for line in found.stdout.decode("utf-8", "replace").splitlines()
        }
        accounts = Account.objects.with_mailbox().filter(domain__node=self.node).select_related("domain")
        for home in sorted(homes):
            uuid = home.partition("/")[2]
            if len(uuid) == 32 and home == home_of_account(uuid):
                yield from accounts.filter(uuid=uuid)


@dataclass(frozen=True, slots=True)
class _Chunk:
    folder: LearnFolder
    uidvalidity: int
    uids: Sequence[int]

    def place(self, uid: int) -> str:
        return _place(self.folder, self.uidvalidity, uid)


def _place(folder: LearnFolder, uidvalidity: int, uid: int) -> str:
    """The one name of a message in a folder, ever."""
    return f"{folder.name.replace(' ', '-')}.{uidvalidity}.{uid}"


def _receipt(batch: TaughtBatch, message: Stored, place: str, failure: str) -> TaughtMessage:
    headers = email.parser.BytesHeaderParser().parsebytes(without_markup(message.content)[: 64 * 1024])
    return TaughtMessage(
        batch=batch,
        place=place,
        subject=_readable(headers.get("Subject", "")),
        sender=_readable(headers.get("From", "")),
        internal_date=message.internal_date,
        flags=" ".join(message.flags)[:400],
        failure=failure,
        is_kept=not failure,
    )


def _readable(value: object) -> str:
    """A header as people read it, whatever was sent."""
    try:
        text = str(email.header.make_header(email.header.decode_header(str(value))))
    except (email.errors.HeaderParseError, LookupError, UnicodeError, ValueError):
        text = str(value)
    return "".join(c if c.isprintable() else " " for c in text.encode("utf-8", "replace").decode())[:200]
