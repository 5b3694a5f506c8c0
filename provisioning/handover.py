"""The mail of somebody who leaves, copied into a folder of the colleague.

Some messages at a time, and what is about to be copied is noted first: a copier may be killed at any line,
and the next one copies each message once.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import QuerySet

from accounts.actions import finish_copying, note_copied, note_copying
from accounts.actor import Actor
from accounts.leaving import CopiedFolder, Departure
from provisioning.hosts.base import Host
from provisioning.layout import Layout
from provisioning.life import life_of
from provisioning.mailbox import Mailbox, MailboxFailed, chunks, opened
from provisioning.render.plane import LEARN_FOLDERS, Folders

INBOX = "INBOX"
MESSAGES_A_CHUNK = 50
BYTES_A_CHUNK = 40 * 1024 * 1024
# A round is short, so that a worker is soon free for changes of others.
SECONDS_A_ROUND = 8
NOT_COPIED = {Folders().spam, Folders().trash, *(folder.name for folder in LEARN_FOLDERS)}


def waiting() -> QuerySet[Departure]:
    """Departures whose mail is not all copied."""
    unfinished = Departure.objects.filter(copied_at=None, account__domain__isnull=False)
    return unfinished.select_related("account__domain__node", "colleague")


def hand_over(departure: Departure, host: Host, layout: Layout, *, seconds: float = SECONDS_A_ROUND) -> bool:
    """Copy for so many seconds; whether everything is there. While another copies, nothing is done."""
    account, colleague = departure.account, departure.colleague
    if account.domain is None or life_of(account.domain.scope, account.address).state != "live":
        return False  # new mail may still arrive here
    if colleague is None:
        raise MailboxFailed("the colleague's account is gone")
    with host.lock(f"handover-{account.uuid.hex}", wait=False) as is_ours:
        if not is_ours or not waiting().filter(pk=departure.pk).exists():
            return False
        with opened(layout, account.address) as source, opened(layout, colleague.address) as target:
            copier = _Copier(departure, source, target, time.monotonic() + seconds)
            if not copier.run():
                return False
    finish_copying(departure, by=Actor.task())
    return True


@dataclass(slots=True)
class _Copier:
    departure: Departure
    source: Mailbox
    target: Mailbox
    until: float

    def run(self) -> bool:
        """False when the time is over before the work."""
        folders = [name for name in self.source.folders() if name.split("/")[0] not in NOT_COPIED]
        if not self.departure.folders.exists():
            total = sum(len(self._uids(name)) for name in folders)
            note_copying(self.departure, total=total, by=Actor.task())
        elif self.departure.error:
            note_copying(self.departure, by=Actor.task())
        return all(self._copy_folder(name) for name in folders)

    def _uids(self, name: str) -> list[int]:
        return self.source.uids("UNDELETED") if self.source.select(name) else []

    def _copy_folder(self, name: str) -> bool:
        uids = sorted(self._uids(name))
        if not uids:
            return True
        row = self._row(name)
        into = self._target(name)
        self.target.make(into)
        if begun := [uid for uid in uids if row.copied_uid < uid <= row.begun_uid]:
            self._copy(row, begun, into, self._there(row, into))
        left = self.source.sizes([uid for uid in uids if uid > row.copied_uid])
        for chunk in chunks(left, most=MESSAGES_A_CHUNK, most_bytes=BYTES_A_CHUNK):
            if time.monotonic() > self.until:
                return False
            row.begun_uid, row.target_uidnext = chunk[-1], self.target.status(into)[1]
            row.save(update_fields=["begun_uid", "target_uidnext"])
            self._copy(row, chunk, into, Counter())
        return True

    def _row(self, name: str) -> CopiedFolder:
        """Where we are. A folder that was made anew meanwhile is copied anew."""
        stands = self.source.status(name)[0]
        row, _is_new = CopiedFolder.objects.get_or_create(
            departure=self.departure, name=name, defaults={"uidvalidity": stands}
        )
        if row.uidvalidity != stands:
            row.uidvalidity, row.copied_uid, row.begun_uid = stands, 0, 0
            row.save(update_fields=["uidvalidity", "copied_uid", "begun_uid"])
        return row

    def _target(self, name: str) -> str:
        return self.departure.folder if name == INBOX else f"{self.departure.folder}/{name}"

    def _copy(self, row: CopiedFolder, uids: Sequence[int], into: str, there: Counter[bytes]) -> None:
        """there: what a copier that was killed had put into the folder."""
        for uid in uids:
            message = self.source.fetch(uid)
            if message is None:
                continue
            digest = hashlib.sha256(message.content).digest()
            if there[digest]:
                there[digest] -= 1
                continue
            self.target.append(
                into, message.content, internal_date=message.internal_date, flags=message.flags
            )
        note_copied(row, count=len(uids), by=Actor.task())

    def _there(self, row: CopiedFolder, into: str) -> Counter[bytes]:
        found: Counter[bytes] = Counter()
        if self.target.select(into) is None:
            return found
        for uid in self.target.uids("UID", f"{row.target_uidnext}:*"):
            # "n:*" names the last message even where it lies before n.
            message = self.target.fetch(uid) if uid >= row.target_uidnext else None
            if message is not None:
                found[hashlib.sha256(message.content).digest()] += 1
        return found
