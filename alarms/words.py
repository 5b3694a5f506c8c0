"""Alarms in people's words. A new kind is one entry here; raise_alarm refuses a name that has none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.utils.functional import Promise
from django.utils.translation import get_language, override
from django.utils.translation import gettext_lazy as _

from accounts.models import Language

if TYPE_CHECKING:
    from alarms.models import Alarm


@dataclass(frozen=True, slots=True)
class Words:
    """sentence: with %(about)s and the details that are given to raise_alarm. remedy: what to do now."""

    title: Promise
    sentence: Promise
    remedy: Promise


WORDS: dict[str, Words] = {
    "daemon.down": Words(
        _("A mail service is down"),
        _("%(about)s does not answer: %(why)s"),
        _("Look into %(log)s, then start it: manage.py stack up"),
    ),
    "apply.failed": Words(
        _("Changes could not be put in force"),
        _("Failed changes on %(about)s: %(count)s. The first: %(why)s"),
        _("Mend the cause, then: manage.py apply"),
    ),
    "apply.pending": Words(
        _("Changes wait too long"),
        _("Changes that wait on %(about)s for more than a minute: %(count)s"),
        _("Is the node worker running? manage.py stack status, then manage.py apply"),
    ),
    "queue.long": Words(
        _("The mail queue is long"),
        _("Messages in the queue of %(about)s: %(count)s. The limit is %(limit)s."),
        _("Look at the queue: one sender or one failing server is the usual cause. manage.py queue list"),
    ),
    "disk.low": Words(
        _("The disk is almost full"),
        _("Free on %(about)s: %(free)s, %(share)s %%"),
        _("Make room before mail has to wait: old logs, the queue, the largest mailboxes."),
    ),
    "certificate.expiring": Words(
        _("A certificate runs out"),
        _("%(about)s: %(why)s"),
        _("Renew it. Those of our own authority and of ACME renew themselves."),
    ),
    "certificate.stale": Words(
        _("An old certificate is served"),
        _("%(about)s shows another certificate than the stored one."),
        _("manage.py apply --all; if it stays, restart the part."),
    ),
    "node.silent": Words(
        _("A server does not report"),
        _("Nobody has looked at %(about)s since %(since)s."),
        _("Are beat and the node worker running? manage.py stack status"),
    ),
    "node.unreachable": Words(
        _("A server cannot be reached"),
        _("%(about)s: %(why)s"),
        _("Is the machine up, and does it take our key? manage.py doctor"),
    ),
    "address.listed": Words(
        _("An address is on a block list"),
        _("%(about)s is listed in %(lists)s. Domains with this address: %(domains)s"),
        _("Find out what was sent, then ask the list to take it off. Another address: %(instead)s"),
    ),
    "account.hijacked": Words(
        _("An account was stopped: it may be in a stranger's hands"),
        _("%(account)s: %(why)s. It can send no mail, and what it has in the queue is on hold."),
        _("Look at what was sent, set a new password, delete or release the mail on hold, then let it go."),
    ),
    "outgoing.found": Words(
        _("Somebody sends spam or viruses"),
        _("%(about)s: %(why)s"),
        _("Look at the trace of this sender. Has a stranger the password? Stop the sending, set a new one."),
    ),
    "test": Words(
        _("Test of the alarms"),
        _("%(about)s asked for this message. Nothing is wrong."),
        _("There is nothing to do."),
    ),
}


# What a sentence names. One that is said differently in each language is kept in all of them.
Detail = str | int | Mapping[str, str]


def in_each_language(say: Callable[[], str]) -> Mapping[str, str]:
    """A detail for people of any language: who raises an alarm does not know who will read it."""
    said = {}
    for language in Language.values:
        with override(language):
            said[language] = say()
    return said


class _Details(dict[str, object]):
    """A detail that an older alarm lacks is shown as a dash."""

    def __missing__(self, key: str) -> str:
        return "–"


@dataclass(frozen=True, slots=True)
class Told:
    """An alarm as a page shows it."""

    alarm: Alarm
    title: str
    sentence: str
    remedy: str


def told(alarm: Alarm) -> Told:
    return Told(alarm, title_of(alarm), sentence_of(alarm), remedy_of(alarm))


def title_of(alarm: Alarm) -> str:
    words = WORDS.get(alarm.name)
    return str(words.title) if words else alarm.name


def sentence_of(alarm: Alarm) -> str:
    words = WORDS.get(alarm.name)
    return _filled(words.sentence, alarm) if words else str(alarm)


def remedy_of(alarm: Alarm) -> str:
    words = WORDS.get(alarm.name)
    return _filled(words.remedy, alarm) if words else ""


def details_of(alarm: Alarm) -> dict[str, str | int]:
    """In the language that is active."""
    return {name: _read(detail) for name, detail in alarm.details.items()}


def _read(detail: Detail) -> str | int:
    if not isinstance(detail, Mapping):
        return detail
    return detail.get((get_language() or "")[:2]) or detail.get(Language.ENGLISH, "–")


def _filled(text: Promise, alarm: Alarm) -> str:
    return str(text) % _Details({**details_of(alarm), "about": alarm.about})
