"""The trace in the words of somebody who knows mailboxes, not servers: choices, verdicts, the timeline."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext, pgettext_lazy

from accounts.quotas import format_bytes
from maillog import events
from maillog.events import Event
from maillog.mechanisms import mechanism_of
from maillog.models import Direction, Handling, Kind, Mechanism, Verdict
from maillog.reasons import own_reason
from maillog.timeline import Words, readable_recipient, session_acts, words_of

# What a person's own trace can hold.
KINDS = {
    Kind.MESSAGE: Kind.MESSAGE.label,
    Kind.REFUSAL: gettext_lazy("refused message"),
    Kind.SESSION: gettext_lazy("visit to the mailbox"),
    Kind.ACT: gettext_lazy("change in the panel"),
}
VERDICTS = {
    Verdict.DELIVERED: Verdict.DELIVERED.label,
    Verdict.PARTLY: Verdict.PARTLY.label,
    Verdict.DEFERRED: Verdict.DEFERRED.label,
    Verdict.BOUNCED: Verdict.BOUNCED.label,
    Verdict.REJECTED: Verdict.REJECTED.label,
    Verdict.DISCARDED: gettext_lazy("thrown away"),
    Verdict.HELD: gettext_lazy("held back to be looked at"),
    Verdict.QUEUED: pgettext_lazy("message", "on its way"),
    Verdict.ABANDONED: gettext_lazy("broken off by the sender"),
    Verdict.UNKNOWN: gettext_lazy("outcome unknown"),
    Verdict.LOGGED_IN: Verdict.LOGGED_IN.label,
    Verdict.LOGIN_FAILED: Verdict.LOGIN_FAILED.label,
    Verdict.DONE: Verdict.DONE.label,
}
MECHANISMS = {
    Mechanism.DNSBL: gettext_lazy("the sender's server is known for spam"),
    Mechanism.GREYLIST: gettext_lazy("first message of an unknown sender, asked to come again"),
    Mechanism.CLIENT_RATES: gettext_lazy("too much mail at once"),
    Mechanism.HELO: gettext_lazy("the sender's server does not say properly who it is"),
    Mechanism.SENDER_DOMAIN: gettext_lazy("the sender's address cannot be answered"),
    Mechanism.REVERSE_NAME: gettext_lazy("the sender's server has no proper name"),
    Mechanism.SPF: gettext_lazy("the sender may not send from there"),
    Mechanism.DMARC: gettext_lazy("the sender could not be verified"),
    Mechanism.VIRUS: Mechanism.VIRUS.label,
    Mechanism.ATTACHMENT: gettext_lazy("attachments of this type are not taken"),
    Mechanism.QUOTA: Mechanism.QUOTA.label,
    Mechanism.RELAY: gettext_lazy("the sender may not send through this server"),
    Mechanism.UNKNOWN_USER: gettext_lazy("nobody has this address"),
    Mechanism.LOCKED: gettext_lazy("the account is locked"),
    Mechanism.SENDER_LOGIN: gettext_lazy("somebody else's address as the sender"),
    Mechanism.BLOCKED: gettext_lazy("blocked by who runs the server"),
    Mechanism.PIPELINING: gettext_lazy("the sender's program breaks the rules"),
    Mechanism.PROTOCOL: gettext_lazy("the sender's program made a mistake"),
    Mechanism.SIZE: gettext_lazy("message too big"),
    Mechanism.MILTER: gettext_lazy("what the message holds"),
    Mechanism.PASSWORD: Mechanism.PASSWORD.label,
    Mechanism.OTHER: pgettext_lazy("why refused", "something else"),
}
HANDLINGS: dict[Handling, Any] = {
    **{kind: kind.label for kind in Handling},
    Handling.UNSCANNED: gettext_lazy("not looked at for spam"),
}
DIRECTIONS = {
    Direction.IN: gettext_lazy("got"),
    Direction.OUT: pgettext_lazy("message", "sent"),
    Direction.LOCAL: gettext_lazy("between people of this server"),
}
SERVICES = {
    "imap": gettext_lazy("mail program"),
    "pop3": gettext_lazy("mail program"),
    "submission": gettext_lazy("sending"),
    "smtps": gettext_lazy("sending"),
    "smtp": gettext_lazy("sending"),
    "managesieve": gettext_lazy("filters in a mail program"),
    "panel": gettext_lazy("panel"),
}


def words_in_plain(event: Event) -> Words:
    """As words_of; what says nothing to the owner of a mailbox is left out."""
    if event.kind in _UNSAID:
        return "", ""
    return _SENTENCES.get(event.kind, words_of)(event)


def mechanism_in_plain(reason: str) -> str:
    """Why, out of a server's own words; "" when they name nothing that is known."""
    mechanism = mechanism_of(reason)
    return str(MECHANISMS[Mechanism(mechanism)]) if mechanism else ""


def _encrypted(event: Event) -> Words:
    return _("the connection is encrypted"), ""


def _listed(event: Event) -> Words:
    return _("the sender's server stands on a list of those known for spam"), "wait"


def _receiving(event: Event) -> Words:
    if login := event.fields.get("login"):
        values = {"login": login, "client": event.fields["address"]}
        return _("%(login)s sends from %(client)s") % values, ""
    return _("a message comes from the sender's server"), ""


def _queued(event: Event) -> Words:
    size = event.fields["size"]
    values = {"size": format_bytes(int(size), "en") if size.isdecimal() else size}
    return _("taken to be delivered (%(size)s)") % values, ""


def _delivery(event: Event) -> Words:
    fields = event.fields
    why = own_reason(fields["reply"]) or mechanism_in_plain(fields["reply"])
    values = {"recipient": readable_recipient(event), "why": why}
    if fields["status"] == "sent":
        if event.program == "lmtp":
            return words_of(event)
        return _("handed to the mail server of %(recipient)s") % values, "good"
    if fields["status"] == "deferred":
        if values["why"]:
            said = _("not delivered to %(recipient)s yet (%(why)s), there will be another try")
            return said % values, "wait"
        return _("not delivered to %(recipient)s yet, there will be another try") % values, "wait"
    if fields["status"] in ("deliverable", "undeliverable"):
        return "", ""
    if values["why"]:
        return _("refused for %(recipient)s: %(reply)s") % {**values, "reply": values["why"]}, "bad"
    return _("refused for %(recipient)s") % values, "bad"


def _scanned(event: Event) -> Words:
    fields = event.fields
    if not fields["is_spam"]:
        return words_of(event)
    values = {"login": fields["login"], "score": fields["score"], "required": fields["required"]}
    if fields["is_spam"] == "yes":
        said = _("%(login)s: looks like spam (%(score)s points; from %(required)s on it counts as spam)")
        return said % values, "wait"
    return _("%(login)s: does not look like spam (%(score)s points)") % values, ""


def _refused(event: Event) -> Words:
    if event.fields["action"] in ("hold", "milter-hold"):
        return _("held back to be looked at"), "wait"
    if event.fields["action"] == "discard":
        return _("thrown away"), "bad"
    why = mechanism_in_plain(event.fields["reason"])
    return (_("refused: %(reason)s") % {"reason": why} if why else pgettext("message", "refused")), "bad"


def _notification(event: Event) -> Words:
    return _("the sender was told of it by mail"), "wait"


def _stored(event: Event) -> Words:
    """Dovecot's own words are left out."""
    login, result = event.fields["login"], event.fields["result"]
    if "vacation" in result and "sent vacation response" not in result:
        return _("%(login)s: the autoresponder did not answer") % {"login": login}, ""
    said, tone = words_of(event)
    return ("", "") if said == f"{login}: {result}" else (said, tone)


def _logged_in(event: Event) -> Words:
    values = {"login": event.fields["login"], "address": event.fields["address"]}
    return _("%(login)s logged in from %(address)s") % values, "good"


def _origin(event: Event) -> Words:
    return _("in the webmail, from %(address)s") % {"address": event.fields["address"]}, ""


def _login_failed(event: Event) -> Words:
    values = {"login": event.fields["login"], "address": event.fields["address"]}
    sentence = _("%(login)s from %(address)s was not let in") % values
    why = mechanism_in_plain(event.fields["reason"])
    return (f"{sentence}: {why}" if why else sentence), "bad"


def _session_end(event: Event) -> Words:
    return _("logged out: %(acts)s") % {"acts": session_acts(event)}, ""


def _given_up(event: Event) -> Words:
    return _("broken off by the sender"), ""


def _too_fast(event: Event) -> Words:
    return _("refused: %(reason)s") % {"reason": MECHANISMS[Mechanism.CLIENT_RATES]}, "bad"


_UNSAID = {
    events.CONNECT,
    events.MESSAGE_ID,
    events.REMOVED,
    events.PIPELINING,
    events.NOTE,
    events.DIALOGUE,
    events.MAILBOX,
    events.UPDATE_BEGUN,
    events.UPDATED,
}
_SENTENCES: dict[str, Callable[[Event], Words]] = {
    events.TLS: _encrypted,
    events.OUTGOING_TLS: _encrypted,
    events.DNSBL: _listed,
    events.CLIENT: _receiving,
    events.QUEUED: _queued,
    events.DELIVERY: _delivery,
    events.SCANNED: _scanned,
    events.REJECT: _refused,
    events.NOTIFICATION: _notification,
    events.STORED: _stored,
    events.LOGIN: _logged_in,
    events.SMTP_LOGIN: _logged_in,
    events.ORIGIN: _origin,
    events.LOGIN_FAILED: _login_failed,
    events.AUTH_FAILED: _login_failed,
    events.SESSION_END: _session_end,
    events.LOST: _given_up,
    events.LIMITED: _too_fast,
}
