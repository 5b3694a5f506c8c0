"""Sieve: the server's script for all mail, and the panel's script of an account.

At delivery they run in this order: server, panel, the user's own (ManageSieve).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import formataddr

from provisioning.layout import MAIL_USER
from provisioning.render.engine import render
from provisioning.render.files import RenderedFile
from provisioning.render.plane import MailPlane


def server_script(plane: MailPlane) -> RenderedFile:
    """Runs for every delivery before all others; must be compiled (sievec) when it changes."""
    return RenderedFile(
        path="etc/dovecot/sieve/server.sieve",
        content=render("sieve/server.sieve.j2", plane=plane),
        daemon="",
        mode=0o640,
        group=MAIL_USER,
    )


def learn_script(plane: MailPlane) -> RenderedFile:
    """Runs when an IMAP client puts mail into a folder that teaches; must be compiled when it changes."""
    return RenderedFile(
        path="etc/dovecot/sieve/learn.sieve",
        content=render("sieve/learn.sieve.j2"),
        daemon="",
        mode=0o640,
        group=MAIL_USER,
    )


@dataclass(frozen=True, slots=True)
class Answer:
    """What an autoresponder answers. addresses: all that may stand in To or Cc of mail that it answers.

    begins, ends: instants in UTC as "2026-07-01T22:00:00", or empty.
    """

    sender_name: str
    sender: str
    addresses: Sequence[str]
    subject: str
    text: str
    begins: str
    ends: str
    interval_hours: int
    period: int
    # Senders who were forgotten alone, and how often: they are remembered under names of their own.
    forgotten: Sequence[tuple[str, int]] = ()

    @property
    def mailbox(self) -> str:
        """The From of the answer: always the account's own address, whichever alias was written to."""
        return formataddr((self.sender_name, self.sender))

    @property
    def handle(self) -> str:
        """Under which Dovecot remembers whom it answered."""
        return f"qmailux-{self.period}"

    @property
    def handles(self) -> list[tuple[str, str]]:
        return [(sender, f"{self.handle}-{times}") for sender, times in self.forgotten]

    @property
    def body(self) -> str:
        """The text as a MIME part in ASCII: no line is too long for SMTP, no blank at a line's end can be
        lost, and Sieve finds nothing in it to read.
        """
        part = EmailMessage()
        part.set_content(self.text, cte="quoted-printable")
        del part["MIME-Version"]
        # Dovecot adds the last line end.
        return part.as_bytes().decode("ascii").removesuffix("\n")


@dataclass(frozen=True, slots=True)
class Condition:
    """part: "subject", "sender" or "recipient". comparison: "contains", "is" or "matches"."""

    part: str
    comparison: str
    value: str

    @property
    def headers(self) -> tuple[str, ...]:
        return {"subject": ("Subject",), "sender": ("From",), "recipient": ("To", "Cc")}[self.part]

    @property
    def values(self) -> list[str]:
        """Sieve here folds the case of ASCII letters only: other letters are given in both cases."""
        spellings = [self.value]
        if not self.value.isascii():
            spellings += [self.value.lower(), self.value.upper(), self.value.capitalize()]
        return list(dict.fromkeys(spellings))


@dataclass(frozen=True, slots=True)
class Rule:
    """A filter: what happens to mail that meets all, or any, of the conditions."""

    joined: str
    conditions: tuple[Condition, ...]
    folder: str = ""
    marks_read: bool = False
    flags: bool = False
    copy_to: str = ""
    discards: bool = False
    stops: bool = False


@dataclass(frozen=True, slots=True)
class Notify:
    """Mail that an SMS tells of: any of the conditions, or all mail without any."""

    address: str
    conditions: tuple[Condition, ...] = ()


def panel_script(
    *,
    home: str,
    forward_to: Iterable[str] = (),
    keep_copy: bool = True,
    answer: Answer | None = None,
    rules: Sequence[Rule] = (),
    notify: Notify | None = None,
) -> RenderedFile | None:
    """The panel's script of one account; None when there is nothing to do, so that no file is kept for it.

    home: ``layout.home_of_account``. keep_copy: whether the mailbox keeps what is forwarded.
    """
    targets = sorted(set(forward_to))
    if not targets and answer is None and not rules and notify is None:
        return None
    content = render(
        "sieve/panel.sieve.j2",
        targets=targets,
        keep_copy=keep_copy,
        answer=answer,
        rules=rules,
        notify=notify,
        extensions=_extensions(targets, keep_copy=keep_copy, answer=answer, rules=rules, notify=notify),
    )
    return script_file(home, content)


def script_file(home: str, content: bytes) -> RenderedFile:
    """Where accounts.sql names the script of the mailbox; only the mail user reads it."""
    return RenderedFile(path=f"sieve/{home}.sieve", content=content, daemon="", mode=0o640, group=MAIL_USER)


def trial_script(*, path: str, rules: Sequence[Rule]) -> RenderedFile:
    """The rules with their conditions and their order, each of which only says that it fired: for trying
    them. It files into a folder named by the rule's number.
    """
    content = render("sieve/trial.sieve.j2", rules=rules)
    return RenderedFile(path=path, content=content, daemon="", mode=0o640, group=MAIL_USER)


def _extensions(
    targets: Sequence[str],
    *,
    keep_copy: bool,
    answer: Answer | None,
    rules: Sequence[Rule],
    notify: Notify | None,
) -> list[str]:
    found = set()
    if targets:
        found.add("copy" if keep_copy else "envelope")
    if answer is not None or rules or notify is not None or any("${" in target for target in targets):
        found.add("variables")
    if answer is not None:
        found |= {"date", "envelope", "relational", "vacation", "vacation-seconds"}
    if rules:
        found |= {"copy", "fileinto", "imap4flags", "mailbox"}
    if notify is not None:
        found.add("vnd.dovecot.execute")
    return sorted(found)
