"""The life of an entry in words, read from its raw lines."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.quotas import format_bytes
from audit.words import action_in_words
from maillog import events
from maillog.access import Sight
from maillog.events import Event
from maillog.masking import seen_lines
from maillog.mechanisms import mechanism_of
from maillog.models import Entry, Mechanism
from maillog.parse import parse
from maillog.reasons import own_reason
from maillog.stamps import Stamps
from maillog.subjects import readable_subject

# A sentence, and its tone.
Words = tuple[str, str]
SIDE_BY_SIDE = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Step:
    """at: None when the line's stamp names no moment; the stamp is shown then. tone: good, bad, wait, ""."""

    at: datetime | None
    stamp: str
    words: str
    tone: str
    line: str


def lines_for(entry: Entry, sight: Sight) -> list[str]:
    """The raw lines that the person may see: who is only one of the recipients does not see the others."""
    text = entry.lines.text if hasattr(entry, "lines") else ""
    lines = text.split("\n") if text else []
    return seen_lines(lines, entry.parties.all(), sight)


def timeline_of(entry: Entry, sight: Sight, say: Callable[[Event], Words] | None = None) -> list[Step]:
    """Steps in the order of the log; lines that say nothing to a person are only among the raw ones. say:
    instead of words_of.
    """
    return _in_order(_steps(entry, lines_for(entry, sight), say or words_of))


def _in_order(steps: Iterable[Step]) -> list[Step]:
    """The logs side by side. Within one of them its own order counts, whatever its clock did (LOG-05)."""
    found: list[Step] = []
    for step in steps:
        place = len(found)
        while place and _is_earlier(step, found[place - 1]):
            place -= 1
        found.insert(place, step)
    return found


def _is_earlier(one: Step, other: Step) -> bool:
    # Each log has its own form of stamp.
    if one.at is None or other.at is None or len(one.stamp) == len(other.stamp):
        return False
    return timedelta(0) < other.at - one.at <= SIDE_BY_SIDE


def _steps(entry: Entry, lines: list[str], say: Callable[[Event], Words]) -> Iterator[Step]:
    stamps = Stamps(timezone.get_default_timezone(), time.time(), entry.began_at.timestamp())
    for line in lines:
        event = parse(line)
        moment = stamps.moment(event.stamp)
        at = None if moment is None else datetime.fromtimestamp(moment, UTC)
        words, tone = say(event)
        yield Step(at, event.stamp, words, tone, line)


def words_of(event: Event) -> Words:
    """What a line says, and its tone; words are "" where it says nothing to a person."""
    say = _SENTENCES.get(event.kind)
    return say(event) if say else ("", "")


def _client(event: Event) -> str:
    name, address = event.fields.get("name", ""), event.fields.get("address", "")
    return f"{name} [{address}]" if name and name != "unknown" else f"[{address}]"


def _connected(event: Event) -> Words:
    return _("%(client)s connected") % {"client": _client(event)}, ""


def _encrypted(event: Event) -> Words:
    return _("the connection is encrypted (%(protocol)s)") % {"protocol": event.fields["protocol"]}, ""


def _listed(event: Event) -> Words:
    values = {"address": event.fields["address"], "list": event.fields["list"]}
    return _("%(address)s stands on the blocklist %(list)s") % values, "wait"


def _receiving(event: Event) -> Words:
    if login := event.fields.get("login"):
        return _("%(login)s sends from %(client)s") % {"login": login, "client": _client(event)}, ""
    return _("%(client)s sends a message") % {"client": _client(event)}, ""


def _subject(event: Event) -> Words:
    return _("subject: %(subject)s") % {"subject": readable_subject(event.fields["subject"])}, ""


def _message_id(event: Event) -> Words:
    return _("Message-ID: %(message_id)s") % {"message_id": event.fields["message_id"] or "–"}, ""


def _queued(event: Event) -> Words:
    fields = event.fields
    count = int(fields["count"]) if fields["count"].isdecimal() else 0
    size = format_bytes(int(fields["size"]), "en") if fields["size"].isdecimal() else fields["size"]
    return ngettext(
        "taken into the queue: %(size)s from <%(sender)s> for %(count)d recipient",
        "taken into the queue: %(size)s from <%(sender)s> for %(count)d recipients",
        count,
    ) % {"size": size, "sender": fields["from"], "count": count}, ""


def readable_recipient(event: Event) -> str:
    """Of a delivery, with the address that the mail was for before it was led on."""
    fields = event.fields
    if not fields.get("original"):
        return fields["to"]
    values = {"recipient": fields["to"], "original": fields["original"]}
    return _("%(recipient)s (addressed to %(original)s)") % values


def _delivery(event: Event) -> Words:
    fields = event.fields
    values = {"recipient": readable_recipient(event), "relay": fields["relay"], "reply": fields["reply"]}
    if fields["status"] == "sent":
        if event.program == "lmtp":
            return _("handed to the mailbox of %(recipient)s") % values, "good"
        return _("sent for %(recipient)s to %(relay)s, which answered: %(reply)s") % values, "good"
    if fields["status"] == "deferred":
        values["reply"] = own_reason(fields["reply"]) or fields["reply"]
        return _("not delivered to %(recipient)s yet, there will be another try: %(reply)s") % values, "wait"
    if fields["status"] == "deliverable":
        return _("%(relay)s was asked and takes mail for %(recipient)s: %(reply)s") % values, "good"
    if fields["status"] == "undeliverable":
        return _("%(relay)s was asked and takes no mail for %(recipient)s: %(reply)s") % values, "bad"
    return _("refused for %(recipient)s: %(reply)s") % values, "bad"


def _sent_encrypted(event: Event) -> Words:
    values = {"relay": event.fields["relay"], "protocol": event.fields["protocol"]}
    return _("the connection to %(relay)s is encrypted (%(protocol)s)") % values, ""


def _scanned(event: Event) -> Words:
    fields = event.fields
    if not fields["is_spam"]:
        return _unscanned(fields["login"], fields["state"])
    values = {name: fields[name].replace(",", ", ") for name in ("login", "score", "required", "rules")}
    values["rules"] = values["rules"] or "–"
    if fields["is_spam"] == "yes":
        said = _("%(login)s: spam, %(score)s points of %(required)s; rules: %(rules)s")
        return said % values, "wait"
    return _("%(login)s: no spam, %(score)s points of %(required)s; rules: %(rules)s") % values, ""


def _unscanned(login: str, state: str) -> Words:
    if state == "off":
        return _("%(login)s: the spam check is off") % {"login": login}, ""
    if state.startswith("skipped"):
        return _("%(login)s: too big to be searched for spam") % {"login": login}, "wait"
    return _("%(login)s: the spam check did not answer, delivered unsearched") % {"login": login}, "wait"


def _infected(event: Event) -> Words:
    return _("the virus scanner found %(virus)s") % {"virus": event.fields["virus"]}, "bad"


def _said(event: Event) -> Words:
    fields = event.fields
    if fields["side"] == "<":
        return _("client: %(said)s") % {"said": fields["said"]}, ""
    tone = "" if fields["said"][:1] in "23" else "bad"
    return _("server: %(said)s") % {"said": fields["said"]}, tone


def _note(event: Event) -> Words:
    return f"{event.program}: {event.fields['said']}", ""


def _update_begun(event: Event) -> Words:
    return _("looked for new virus signatures"), ""


def _updated(event: Event) -> Words:
    fields = event.fields
    if fields["outcome"] == "failed":
        return _("failed: %(reason)s") % {"reason": fields["reason"]}, "bad"
    values = {"what": fields["what"], "version": fields["version"]}
    if fields["outcome"] == "updated":
        return _("%(what)s: new version %(version)s") % values, "good"
    return _("%(what)s: nothing newer than version %(version)s") % values, ""


def _operation(event: Event) -> Words:
    fields = event.fields
    values = {
        "who": fields["real"],
        "act": action_in_words(fields["action"]),
        "target": fields["target"] or "–",
    }
    said = _("%(who)s: %(act)s, %(target)s") % values
    if fields["acting_as"]:
        said = _("%(said)s (on behalf of %(whom)s)") % {"said": said, "whom": fields["acting_as"]}
    return f"{said} [{fields['address']}]" if fields["address"] else said, ""


def _expired(event: Event) -> Words:
    return _("too old to be tried again, returned to the sender"), "bad"


def _removed(event: Event) -> Words:
    return _("finished, removed from the queue"), ""


def _refused(event: Event) -> Words:
    reason = event.fields["reason"]
    values = {"reason": reason, "client": _client(event)}
    if event.fields["action"] in ("hold", "milter-hold"):
        return _("put on hold: %(reason)s") % values, "wait"
    if event.fields["action"] == "discard":
        return _("discarded: %(reason)s") % values, "bad"
    if mechanism := mechanism_of(reason):
        label = Mechanism(mechanism).label
        return _("refused (%(what)s): %(reason)s") % {**values, "what": label}, "bad"
    return _("refused: %(reason)s") % values, "bad"


def _notification(event: Event) -> Words:
    return _("a notice went to the sender as %(queue_id)s") % {"queue_id": event.fields["other"]}, "wait"


def _stored(event: Event) -> Words:
    result = event.fields["result"]
    values = {"login": event.fields["login"], "folder": event.fields["folder"], "result": result}
    if event.fields["folder"]:
        return _("%(login)s: filed in the folder %(folder)s") % values, "good"
    where = result.rpartition("<")[2].rstrip(">")
    if "forwarded to" in result:
        return _("%(login)s: forwarded to %(address)s") % {**values, "address": where}, "good"
    if "sent vacation response" in result:
        return _("%(login)s: the autoresponder answered %(address)s") % {**values, "address": where}, ""
    if "vacation" in result:
        return _("%(login)s: the autoresponder did not answer: %(result)s") % values, ""
    if "discard" in result:
        return _("%(login)s: a filter discarded it") % values, "bad"
    return f"{event.fields['login']}: {result}", ""


def _logged_in(event: Event) -> Words:
    values = {
        "login": event.fields["login"],
        "address": event.fields["address"],
        "service": event.program.upper(),
    }
    return _("%(login)s logged in from %(address)s (%(service)s)") % values, "good"


def _origin(event: Event) -> Words:
    return _("the webmail asks for somebody at %(address)s") % {"address": event.fields["address"]}, ""


def _login_failed(event: Event) -> Words:
    values = {"login": event.fields["login"], "address": event.fields["address"]}
    said = event.fields["reason"]
    sentence = _("%(login)s from %(address)s was not let in") % values
    return f"{sentence}: {said}" if said else sentence, "bad"


def _session_end(event: Event) -> Words:
    return _("session ended: %(acts)s") % {"acts": session_acts(event)}, ""


def _mailbox(event: Event) -> Words:
    return event.text, ""


def _given_up(event: Event) -> Words:
    return _("the other side went away: %(said)s") % {"said": event.text}, ""


def _too_fast(event: Event) -> Words:
    values = {"client": _client(event), "reason": event.fields["reason"]}
    return _("refused %(client)s, which is too fast: %(reason)s") % values, "bad"


def _pipelining(event: Event) -> Words:
    return _("%(client)s sent commands before it was its turn") % {"client": _client(event)}, "wait"


def session_acts(event: Event) -> str:
    """How many messages were fetched and deleted."""
    fields = event.fields

    def number(*names: str) -> int:
        texts = (fields.get(name, "").partition("/")[0] for name in names)
        return sum(int(text) for text in texts if text.isdecimal())

    fetched, deleted = number("retr", "body_count"), number("del", "expunged")
    return ", ".join(
        [
            ngettext("%(n)d message fetched", "%(n)d messages fetched", fetched) % {"n": fetched},
            ngettext("%(n)d deleted", "%(n)d deleted", deleted) % {"n": deleted},
        ]
    )


def session_summary(entry: Entry) -> str:
    """One line of a session's end, from the words it was stored with; "" while it goes on."""
    if "=" not in entry.reason:
        return ""
    made_up = f"2000-01-01T00:00:00Z {entry.service}(u)<1><s>: {entry.reason}"
    return session_acts(parse(made_up))


_SENTENCES: dict[str, Callable[[Event], Words]] = {
    events.CONNECT: _connected,
    events.TLS: _encrypted,
    events.DNSBL: _listed,
    events.CLIENT: _receiving,
    events.SUBJECT: _subject,
    events.MESSAGE_ID: _message_id,
    events.QUEUED: _queued,
    events.DELIVERY: _delivery,
    events.EXPIRED: _expired,
    events.REMOVED: _removed,
    events.REJECT: _refused,
    events.NOTIFICATION: _notification,
    events.STORED: _stored,
    events.SCANNED: _scanned,
    events.INFECTED: _infected,
    events.DIALOGUE: _said,
    events.NOTE: _note,
    events.LIMITED: _too_fast,
    events.OUTGOING_TLS: _sent_encrypted,
    events.UPDATE_BEGUN: _update_begun,
    events.UPDATED: _updated,
    events.OPERATION: _operation,
    events.ORIGIN: _origin,
    events.LOGIN: _logged_in,
    events.SMTP_LOGIN: _logged_in,
    events.LOGIN_FAILED: _login_failed,
    events.AUTH_FAILED: _login_failed,
    events.SESSION_END: _session_end,
    events.MAILBOX: _mailbox,
    events.LOST: _given_up,
    events.PIPELINING: _pipelining,
}
