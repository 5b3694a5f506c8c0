"""What the spam check said of the last messages of one mailbox, read from the trace."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from accounts.actor import Actor
from antispam.rule_words import in_words
from maillog import events
from maillog.access import sight_of
from maillog.draft import SPAM_FOLDER
from maillog.models import Entry, Kind, Role
from maillog.parse import parse
from maillog.timeline import lines_for

SHOWN = 30
# The list that wins stands first.
_DENIED = ("QM_DENY_USER", "QM_DENY_DOMAIN", "QM_DENY_SERVER")
_LET_PAST = ("QM_ALLOW_USER", "QM_ALLOW_DOMAIN", "QM_ALLOW_SERVER", "USER_IN_W")


@dataclass(frozen=True, slots=True)
class Reason:
    """words: "" for a rule that nobody has put into words."""

    rule: str
    words: str


@dataclass(frozen=True, slots=True)
class SpamVerdict:
    """One message. score: "" when it was not scanned; then state says why."""

    at: datetime
    sender: str
    subject: str
    message_id: str
    score: str
    required: str
    is_spam: bool
    state: str
    reasons: tuple[Reason, ...]
    went_to_spam: bool

    @property
    def deciding_list(self) -> str:
        """In words, "" when the content decided. The points are its weight then, and tell nobody anything."""
        found = {reason.rule: reason.words for reason in self.reasons}
        beginnings = _DENIED if self.is_spam else _LET_PAST
        rules = (rule for beginning in beginnings for rule in found if rule.startswith(beginning))
        return next((found[rule] for rule in rules), "")


def last_verdicts(actor: Actor) -> list[SpamVerdict]:
    """Of the own mailbox, the newest first. Nobody sees another one's."""
    person = actor.person
    if person is None:
        return []
    sight = sight_of(actor, own_only=True)
    mine = Entry.objects.visible_to(sight).filter(
        kind=Kind.MESSAGE, parties__address=person.address, parties__role=Role.RECIPIENT
    )
    found = []
    for entry in mine.select_related("lines").prefetch_related("parties").order_by("-id")[:SHOWN]:
        said = [parse(line) for line in lines_for(entry, sight)]
        verdict = _verdict(entry, said, person.address)
        if verdict is not None:
            found.append(verdict)
    return found


def _verdict(entry: Entry, said: list[events.Event], address: str) -> SpamVerdict | None:
    """None while its lines are gone, or it was not delivered to the address."""
    scans = [
        event.fields for event in said if event.kind == events.SCANNED and event.fields["login"] == address
    ]
    if not scans:
        return None
    last = scans[-1]
    rules = [rule for rule in last.get("rules", "").split(",") if rule and rule != "none"]
    return SpamVerdict(
        at=entry.began_at,
        sender=entry.sender,
        subject=entry.subject,
        message_id=entry.message_id,
        score=last.get("score", ""),
        required=last.get("required", ""),
        is_spam=last["is_spam"] == "yes",
        state=last.get("state", ""),
        reasons=tuple(Reason(rule, in_words(rule)) for rule in rules),
        # Not by the entry's columns: they tell of other people's copies too.
        went_to_spam=any(
            event.kind == events.STORED
            and (event.fields["login"], event.fields["folder"]) == (address, SPAM_FOLDER)
            for event in said
        ),
    )
