"""An entry of the trace in the words of whoever looks at it."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.translation import gettext as _

from audit.words import action_in_words
from maillog import plainly
from maillog.export import client_address
from maillog.models import Direction, Entry, Handling, Kind, Mechanism, Verdict
from maillog.timeline import session_summary

_TONES = {
    "delivered": "good",
    "logged-in": "good",
    "updated": "good",
    "failed": "bad",
    "deferred": "wait",
    "queued": "wait",
    "held": "wait",
    "partly": "wait",
    "rejected": "bad",
    "bounced": "bad",
    "discarded": "bad",
    "login-failed": "bad",
}


@dataclass(frozen=True, slots=True)
class Shown:
    """An entry as a page or a spreadsheet shows it, to whoever comes through the door."""

    entry: Entry
    url: str
    is_plain: bool = False

    @property
    def kind(self) -> str:
        kind = Kind(self.entry.kind)
        return str(plainly.KINDS.get(kind, kind.label) if self.is_plain else kind.label)

    @property
    def direction(self) -> str:
        if not self.entry.direction:
            return ""
        direction = Direction(self.entry.direction)
        return str(plainly.DIRECTIONS[direction] if self.is_plain else direction.label)

    @property
    def verdict(self) -> str:
        verdict = Verdict(self.entry.verdict)
        return str(plainly.VERDICTS.get(verdict, verdict.label) if self.is_plain else verdict.label)

    @property
    def mechanism(self) -> str:
        if not self.entry.mechanism:
            return ""
        mechanism = Mechanism(self.entry.mechanism)
        return str(plainly.MECHANISMS[mechanism] if self.is_plain else mechanism.label)

    @property
    def service(self) -> str:
        service = self.entry.service
        return str(plainly.SERVICES.get(service, "")) if self.is_plain else service

    @property
    def no_sender(self) -> str:
        """What stands for the empty sender of notices."""
        return _("a mail server") if self.is_plain else "<>"

    @property
    def tone(self) -> str:
        return _TONES.get(self.entry.verdict, "")

    @property
    def client(self) -> str:
        return client_address(self.entry.client)

    @property
    def acts(self) -> str:
        """What it came to, of what is no mail."""
        if self.entry.kind == "act":
            return action_in_words(self.entry.subject)
        if self.entry.kind == "update":
            return self.entry.reason or _("Virus signatures")
        return session_summary(self.entry) if self.entry.kind == "session" else ""

    @property
    def handling(self) -> list[str]:
        names = [Handling(name) for name in self.entry.handling.split(",") if name]
        return [str(plainly.HANDLINGS[name] if self.is_plain else name.label) for name in names]

    @property
    def rules(self) -> str:
        return self.entry.spam_rules.replace(",", ", ")

    @property
    def more_recipients(self) -> int:
        return max(0, self.entry.recipient_count - 1)
