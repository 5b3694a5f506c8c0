"""Sieve: the server's script for all mail, and the panel's script of an account.

At delivery they run in this order: server, panel, the user's own (ManageSieve).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
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


@dataclass(frozen=True, slots=True)
class Answer:
    """What an autoresponder answers. addresses: all that may stand in To or Cc of mail that it answers."""

    sender_name: str
    sender: str
    addresses: Sequence[str]
    subject: str
    text: str
    first_day: date | None
    last_day: date | None
    interval_hours: int
    period: int

    @property
    def mailbox(self) -> str:
        """The From of the answer: always the account's own address, whichever alias was written to."""
        return formataddr((self.sender_name, self.sender))

    @property
    def handle(self) -> str:
        """Under which Dovecot remembers whom it answered."""
        return f"qmailux-{self.period}"


def panel_script(
    *,
    home: str,
    forward_to: Iterable[str] = (),
    keep_copy: bool = True,
    answer: Answer | None = None,
) -> RenderedFile | None:
    """The panel's script of one account; None when there is nothing to do, so that no file is kept for it.

    home: ``layout.home_of_account``. keep_copy: whether the mailbox keeps what is forwarded.
    """
    targets = sorted(set(forward_to))
    if not targets and answer is None:
        return None
    written = [*targets, *(_written(answer) if answer else [])]
    content = render(
        "sieve/panel.sieve.j2",
        targets=targets,
        keep_copy=keep_copy,
        answer=answer,
        needs_variables=any("${" in value for value in written),
    )
    return script_file(home, content)


def script_file(home: str, content: bytes) -> RenderedFile:
    """Where accounts.sql names the script of the mailbox; only the mail user reads it."""
    return RenderedFile(path=f"sieve/{home}.sieve", content=content, daemon="", mode=0o640, group=MAIL_USER)


def _written(answer: Answer) -> list[str]:
    return [answer.subject, answer.text, answer.mailbox, *answer.addresses]
