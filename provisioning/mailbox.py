"""Work inside a mailbox as its node's root: an IMAP session that doveadm opens (DESIGN 4).

With no password, and no master user.
"""

from __future__ import annotations

import contextlib
import imaplib
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from provisioning.daemons import dovecot_conf
from provisioning.layout import Layout
from qmailux_site.errors import HostError

_DATE = re.compile(rb'INTERNALDATE "([^"]*)"')
_FLAGS = re.compile(rb"FLAGS \(([^)]*)\)")
_UID = re.compile(rb"UID (\d+)")
_SIZE = re.compile(rb"RFC822\.SIZE (\d+)")
# What a client may set and APPEND may carry.
_NOT_KEPT = {"\\Deleted", "\\Recent"}


class MailboxFailed(HostError):
    """A mailbox could not be read or changed."""

    retryable = True


@dataclass(frozen=True, slots=True)
class Stored:
    """A message in a mailbox. internal_date: as IMAP writes it. flags: without \\Deleted and \\Recent."""

    uid: int
    internal_date: str
    flags: tuple[str, ...]
    content: bytes


class _Preauthenticated(imaplib.IMAP4_stream):
    """imaplib over a process that is logged in already; argv, never a shell."""

    def __init__(self, argv: Sequence[str]) -> None:
        self._argv = list(argv)
        super().__init__("doveadm")

    def open(self, host: str | None = None, port: int | None = None, timeout: float | None = None) -> None:
        self.host, self.port, self.sock, self.file = "", None, None, None  # type: ignore[assignment]
        self.process = subprocess.Popen(
            self._argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert self.process.stdin is not None  # noqa: S101  # both are pipes
        assert self.process.stdout is not None  # noqa: S101
        self.writefile, self.readfile = self.process.stdin, self.process.stdout


class Mailbox:
    """One account's mailbox, while the session lasts. Folder names are ASCII."""

    def __init__(self, client: imaplib.IMAP4) -> None:
        self._client = client

    def folders(self) -> list[str]:
        """Names of all that can be opened, as IMAP writes them."""
        found = []
        for line in self._do("LIST", self._client.list()):
            head, name = line if isinstance(line, tuple) else (line, b"")
            if not isinstance(head, bytes) or b"\\Noselect" in head:
                continue
            found.append(name.decode() if name else _unquoted(head.rpartition(b'"/" ')[2].decode()))
        return found

    def make(self, folder: str) -> None:
        """A folder that is there, and that clients show."""
        if self._client.status(_quoted(folder), "(UIDNEXT)")[0] != "OK":
            self._do("CREATE", self._client.create(_quoted(folder)))
        self._do("SUBSCRIBE", self._client.subscribe(_quoted(folder)))

    def select(self, folder: str) -> tuple[int, int] | None:
        """Open the folder; its UIDVALIDITY and UIDNEXT, None when there is none."""
        status, _found = self._client.select(_quoted(folder))
        if status != "OK":
            return None
        return self._number("UIDVALIDITY"), self._number("UIDNEXT")

    def status(self, folder: str) -> tuple[int, int]:
        """UIDVALIDITY and UIDNEXT of a folder that is not opened."""
        found = _text(self._do("STATUS", self._client.status(_quoted(folder), "(UIDVALIDITY UIDNEXT)")))
        validity, following = re.search(r"UIDVALIDITY (\d+)", found), re.search(r"UIDNEXT (\d+)", found)
        if validity is None or following is None:
            raise MailboxFailed(f"no status of {folder}")
        return int(validity[1]), int(following[1])

    def uids(self, *criteria: str) -> list[int]:
        return [int(uid) for uid in _text(self._do("SEARCH", self._client.uid("SEARCH", *criteria))).split()]

    def sizes(self, uids: Sequence[int]) -> dict[int, int]:
        if not uids:
            return {}
        found = self._do("FETCH", self._client.uid("FETCH", _set(uids), "(UID RFC822.SIZE)"))
        lines = [line for line in found if isinstance(line, bytes)]
        return {
            int(uid[1]): int(size[1])
            for line in lines
            if (uid := _UID.search(line)) and (size := _SIZE.search(line))
        }

    def fetch(self, uid: int) -> Stored | None:
        """The message; None when it has gone meanwhile. It stays unread."""
        found = self._do("FETCH", self._client.uid("FETCH", str(uid), "(UID INTERNALDATE FLAGS BODY.PEEK[])"))
        for part in found:
            if isinstance(part, tuple):
                date, flags = _DATE.search(part[0]), _FLAGS.search(part[0])
                return Stored(
                    uid=uid,
                    internal_date=date[1].decode() if date else "",
                    flags=tuple(sorted(set(flags[1].decode().split()) - _NOT_KEPT)) if flags else (),
                    content=part[1],
                )
        return None

    def append(self, folder: str, message: bytes, *, internal_date: str, flags: Sequence[str]) -> None:
        """With its date and flags, as if it had always been there."""
        # imaplib takes a date that stands in quotation marks as it is, and its own ends of lines are CRLF.
        answer = self._client.append(_quoted(folder), " ".join(flags), f'"{internal_date}"', message)
        self._do("APPEND", answer)

    def expunge(self, uids: Sequence[int]) -> None:
        """These and no others, from the opened folder."""
        self._do("STORE", self._client.uid("STORE", _set(uids), "+FLAGS.SILENT", "(\\Deleted)"))
        self._do("EXPUNGE", self._client.uid("EXPUNGE", _set(uids)))

    def move(self, uids: Sequence[int], folder: str) -> None:
        """From the opened folder; the other one exists already."""
        self._do("MOVE", self._client.uid("MOVE", _set(uids), _quoted(folder)))

    def mark(self, uid: int, keyword: str) -> None:
        self._do("STORE", self._client.uid("STORE", str(uid), "+FLAGS.SILENT", f"({keyword})"))

    def _number(self, name: str) -> int:
        found = self._client.response(name)[1]
        if not found or not isinstance(found[0], bytes):
            raise MailboxFailed(f"the server did not say its {name}")
        return int(found[0])

    @staticmethod
    def _do(what: str, answer: tuple[str, Sequence[object]]) -> Sequence[object]:
        if answer[0] != "OK":
            raise MailboxFailed(f"{what}: {_text(answer[1])[:200]}")
        return answer[1]


@contextlib.contextmanager
def opened(layout: Layout, address: str) -> Iterator[Mailbox]:
    """The mailbox of the account. Its quota is not asked: what is put back was there before."""
    argv = ("/usr/bin/doveadm", "-c", str(dovecot_conf(layout)), "exec", "imap", "-u", address)
    try:
        client = _Preauthenticated([*argv, "-o", "plugin/quota=count:User quota:noenforcing"])
    except (OSError, imaplib.IMAP4.error) as error:
        raise MailboxFailed(f"{address}: {error}") from error
    try:
        yield Mailbox(client)
    except (OSError, imaplib.IMAP4.error) as error:
        raise MailboxFailed(f"{address}: {error}") from error
    finally:
        with contextlib.suppress(OSError, imaplib.IMAP4.error):
            client.logout()
        client.process.kill()
        client.process.wait()


def chunks(sizes: dict[int, int], *, most: int, most_bytes: int) -> Iterator[list[int]]:
    """A few messages at a time, in their order, and no more than fit into memory."""
    chunk: list[int] = []
    total = 0
    for uid in sorted(sizes):
        if chunk and (len(chunk) == most or total + sizes[uid] > most_bytes):
            yield chunk
            chunk, total = [], 0
        chunk.append(uid)
        total += sizes[uid]
    if chunk:
        yield chunk


def _quoted(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _unquoted(text: str) -> str:
    if not text.startswith('"'):
        return text
    return re.sub(r"\\(.)", r"\1", text[1:-1])


def _set(uids: Sequence[int]) -> str:
    return ",".join(map(str, uids))


def _text(found: Sequence[object]) -> str:
    return b" ".join(part for part in found if isinstance(part, bytes)).decode("utf-8", "replace")
