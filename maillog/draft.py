"""One message, refusal or session while its lines come in. Pure: built from events, turned into rows."""

from __future__ import annotations

from functools import lru_cache
from socket import AF_INET, AF_INET6, inet_pton

from maillog import events
from maillog.events import Event
from maillog.mechanisms import mechanism_of
from maillog.parse import parse
from maillog.stamps import Stamps
from maillog.subjects import readable_subject

# Deferred for days, or sent to thousands: what lies between the first and the last lines is left out.
MOST_LINES = 4000
LONGEST_PARTY = 320
_MAPPED = "0" * 20 + "ffff"
LEFT_OUT = "... lines left out ..."
_HERE = ("submission", "smtps", "sieve")
_FATES = {"sent": "delivered", "bounced": "bounced", "deferred": "deferred", "expired": "bounced"}
# No mail went: another server was asked whether it has the recipient.
_ANSWERS = {"deliverable": "done", "undeliverable": "rejected"}
# What provisioning names the folder of probable spam.
SPAM_FOLDER = "SPAM"
_FINAL_STAGES = ("END-OF-MESSAGE", "DATA", "header", "body")


@lru_cache(maxsize=20_000)
def packed(address: str) -> str:
    """An address as 32 hexadecimal digits, IPv4 mapped into IPv6; "" for what is none."""
    try:
        if ":" in address:
            return inet_pton(AF_INET6, address).hex()
        return _MAPPED + inet_pton(AF_INET, address).hex()
    except (OSError, ValueError):
        return ""


class Draft:
    """An entry in the making. entry_id: 0 before it was first stored."""

    __slots__ = (
        "began", "client", "client_name", "entry_id", "fates", "folder", "handling", "helo", "is_changed",
        "is_closed", "is_new", "kind", "last", "lines", "login", "mechanism", "message_id", "originals",
        "outward", "own_label", "queue_id", "reason", "recipients", "sender", "service", "size", "spam_in",
        "spam_rules", "spam_score", "stored", "subject", "verdict", "words",
    )  # fmt: skip

    def __init__(self, kind: str, queue_id: str, began: float) -> None:
        self.kind = kind
        self.queue_id = queue_id
        self.began = self.last = began
        self.entry_id = 0
        self.is_new = True
        self.is_closed = False
        self.is_changed = False
        self.lines: list[str] = []
        self.recipients: list[str] = []
        self.originals: tuple[str, ...] = ()
        self.fates: dict[str, str] = {}
        self.words: dict[str, str] = {}
        self.stored: tuple[str, ...] = ()
        self.message_id = self.sender = self.subject = self.client = self.client_name = ""
        self.helo = self.login = self.service = self.folder = self.verdict = self.mechanism = self.reason = ""
        self.size = 0
        self.outward = False
        # Dovecot's sessions in which the last scan said so.
        self.spam_in: frozenset[str] = frozenset()
        self.own_label = self.spam_score = self.spam_rules = ""
        self.handling: tuple[str, ...] = ()

    def add(self, line: str, moment: float) -> None:
        lines = self.lines
        if len(lines) >= MOST_LINES:
            lines[MOST_LINES // 2 : -MOST_LINES // 4] = [LEFT_OUT]
        lines.append(line)
        if moment > self.last:
            self.last = moment

    def apply(self, event: Event) -> None:
        """Take from the event what the entry's columns hold."""
        apply = APPLY.get(event.kind)
        if apply is not None:
            apply(self, event)

    # What each kind of event means for a message

    def _client(self, event: Event) -> None:
        fields = event.fields
        self.client = packed(fields["address"])
        self.client_name = fields["name"]
        self.login = fields.get("login", "")
        self._came_in(event)

    def _came_in(self, event: Event) -> None:
        """submission/p3: by that service, on the address of that number."""
        self.service, _, self.own_label = (event.origin or "smtp").partition("/")

    def _pickup(self, event: Event) -> None:
        self.service = "pickup"
        self.sender = event.fields["from"]

    def _subject(self, event: Event) -> None:
        # A second one is of an attached message.
        if not self.subject:
            self.subject = event.fields["subject"]

    def _message_id(self, event: Event) -> None:
        self.message_id = event.fields["message_id"]

    def _queued(self, event: Event) -> None:
        fields = event.fields
        self.sender = fields["from"]
        self.size = int(fields["size"]) if fields["size"].isdecimal() else 0
        self.verdict = ""

    def _delivery(self, event: Event) -> None:
        fields = event.fields
        recipient = fields["to"].lower()
        self._addressed(recipient, fields.get("original", "").lower())
        fate = _FATES.get(fields["status"], "")
        if not fate and (fate := _ANSWERS.get(fields["status"], "")):
            self.kind = "question"
        if fate:
            self.fates[recipient] = fate
        if fate != "delivered":
            self.words[recipient] = fields["reply"]
        elif recipient in self.words:
            del self.words[recipient]
        if event.program in ("smtp", "relay"):
            self.outward = True
            self.own_label = event.origin.partition("/")[2] or self.own_label

    def _addressed(self, recipient: str, original: str = "") -> None:
        if recipient not in self.recipients:
            self.recipients.append(recipient)
        if original and original != recipient and original not in self.originals:
            self.originals += (original,)

    def _expired(self, event: Event) -> None:
        for recipient, fate in self.fates.items():
            if fate == "deferred":
                self.fates[recipient] = "bounced"

    def _removed(self, event: Event) -> None:
        self.is_closed = True

    def _refused(self, event: Event) -> None:
        fields = event.fields
        if not self.client:
            self.client = packed(fields.get("address", ""))
            self.client_name = fields.get("name", "")
        self.helo = self.helo or fields.get("helo", "")
        self.sender = self.sender or fields.get("from", "")
        recipient = fields.get("to", "").lower()
        fate = {"discard": "discarded", "hold": "held", "milter-hold": "held"}.get(
            fields["action"], "rejected"
        )
        is_whole = fields["stage"].partition(" ")[0] in _FINAL_STAGES or not self.queue_id
        if recipient:
            self._addressed(recipient)
            self.fates[recipient] = fate
            self.words[recipient] = fields["reason"]
        if is_whole:
            self.verdict = fate
            self.reason = fields["reason"]
            self.mechanism = mechanism_of(self.reason) or (
                "milter" if fields["action"] == "milter-reject" else "other"
            )
            # A message refused after its data has no "removed".
            self.is_closed = fate == "rejected" or not self.queue_id

    def _stored(self, event: Event) -> None:
        fields = event.fields
        if fields["folder"]:
            self.folder = self.folder or fields["folder"]
            self.stored += (fields["login"],)
            if fields["session"] in self.spam_in:
                self._handled("spam-folder" if fields["folder"] == SPAM_FOLDER else "tagged")
        elif fields["result"].startswith("redirect action: forwarded to "):
            self._handled("forwarded")
        elif fields["result"].startswith("vacation action: sent "):
            self._handled("answered")
        elif "discard" in fields["result"] and "vacation" not in fields["result"]:
            self.folder = self.folder or "-"

    def _scanned(self, event: Event) -> None:
        """What spamd said of the recipient whose delivery follows."""
        fields = event.fields
        if fields["is_spam"] == "yes":
            self.spam_in |= {fields["session"]}
        else:
            self.spam_in -= {fields["session"]}
        if not fields["is_spam"]:
            if fields["state"] != "off":
                self._handled("unscanned")
        elif not self.spam_score or float(fields["score"]) > float(self.spam_score):
            self.spam_score, self.spam_rules = fields["score"], fields["rules"]

    def _handled(self, how: str) -> None:
        if how not in self.handling:
            self.handling += (how,)

    def _limited(self, event: Event) -> None:
        fields = event.fields
        self.client, self.client_name = packed(fields["address"]), fields["name"]
        self.verdict, self.mechanism, self.reason = "rejected", "client-rates", fields["reason"]
        self.is_closed = True

    # What each kind of event means for what the server itself does

    def _update(self, event: Event) -> None:
        """The worst counts last: what failed first may have been fetched from elsewhere."""
        fields = event.fields
        outcome = fields["outcome"]
        if outcome == "failed":
            self.reason = fields["reason"]
        if outcome == "updated" or (self.verdict != "updated" and (outcome == "failed" or not self.verdict)):
            self.verdict = outcome

    def _operation(self, event: Event) -> None:
        fields = event.fields
        self.sender, self.subject, self.service = fields["real"], fields["action"], fields["channel"]
        self.client = packed(fields["address"])
        self.recipients = [name for name in (fields["target"],) if name]
        # Whoever manages the domain sees what was done in it.
        self.originals = (f"@{fields['scope']}",) if fields["scope"] else ()
        self.verdict, self.is_closed = "done", True

    # What each kind of event means for a session

    def _origin(self, event: Event) -> None:
        self.client = packed(event.fields["address"])

    def _login(self, event: Event) -> None:
        fields = event.fields
        self.service = event.program
        self.login = fields["login"]
        # A webmail has said from where the person comes.
        self.client = self.client or packed(fields["address"])
        self.verdict = "logged-in"
        self.reason = " ".join(filter(None, (fields.get("method", ""), fields.get("tls", ""))))

    def _login_failed(self, event: Event) -> None:
        fields = event.fields
        if event.kind == events.LOGIN_FAILED:
            self.service = event.program
        else:
            self._came_in(event)
        self.login = fields["login"]
        self.client = self.client or packed(fields["address"])
        self.client_name = fields.get("name", "")
        self.verdict = "login-failed"
        self.reason = self.reason or fields["reason"] or "authentication failed"
        self.mechanism = mechanism_of(self.reason) or "password"
        self.is_closed = True

    def _smtp_login(self, event: Event) -> None:
        self._login(event)
        self.service = "smtp"
        self.is_closed = True

    def _session_end(self, event: Event) -> None:
        self.reason = event.text
        self.login = self.login or event.fields["login"]
        self.service = self.service or event.program
        self.verdict = "logged-in"
        self.is_closed = True

    def _pipelining(self, event: Event) -> None:
        self.client = packed(event.fields["address"])
        self.client_name = event.fields["name"]
        self.verdict, self.mechanism, self.reason = "unknown", "pipelining", event.text
        self.is_closed = True

    # Rows

    def final_verdict(self) -> str:
        if self.verdict:
            return self.verdict
        fates = set(self.fates.values())
        if not fates:
            return "unknown" if self.is_closed else "queued"
        if len(fates) > 1:
            fates.discard("rejected")
        if fates == {"delivered"}:
            return "discarded" if self.folder == "-" and not self.stored else "delivered"
        if len(fates) == 1:
            return fates.pop()
        return "deferred" if "deferred" in fates else "partly"

    def never_came(self) -> bool:
        """Its envelope was begun, its text never sent; one refused at once has its own verdict."""
        return not (self.size or self.message_id or self.subject or self.fates or self.verdict)

    def abandon(self) -> None:
        """Its id belongs to another message now, and nothing says what became of this one (LOG-03)."""
        if self.final_verdict() in ("queued", "deferred"):
            self.verdict = "unknown"
        self.is_closed = True

    def direction(self) -> str:
        if self.kind not in ("message", "refusal"):
            return ""
        is_from_here = bool(self.login) or self.service in _HERE or self.service == "pickup"
        if not is_from_here and self.client:
            return "in"
        return "local" if self.fates and not self.outward else "out"

    def final_subject(self) -> str:
        """As people read it. The log has it as it was sent."""
        return readable_subject(self.subject)

    def final_reason(self) -> tuple[str, str]:
        """The server's words and what they name: of the refusal, else of the first recipient in trouble."""
        if self.reason or not self.words:
            return self.reason, self.mechanism
        reason = next(iter(self.words.values()))
        return reason, mechanism_of(reason)

    def parties(self) -> list[tuple[str, str]]:
        """Addresses and their roles, each once."""
        found = [(self.sender.lower()[:LONGEST_PARTY], "s")]
        for role, addresses in (("r", self.recipients), ("o", self.originals)):
            for address in addresses:
                found.append((address[:LONGEST_PARTY], role))
                if "+" in address:
                    localpart, _, rest = address.partition("+")
                    found.append((f"{localpart}@{rest.rpartition('@')[2]}"[:LONGEST_PARTY], role))
        if self.login:
            found.append((self.login.lower()[:LONGEST_PARTY], "l"))
        elif self.service in _HERE:
            # What Sieve sends, it sends for the account that the envelope names.
            found.append((found[0][0], "l"))
        return [party for party in dict.fromkeys(found) if party[0]]


APPLY = {
    events.CLIENT: Draft._client,
    events.PICKUP: Draft._pickup,
    events.SUBJECT: Draft._subject,
    events.MESSAGE_ID: Draft._message_id,
    events.QUEUED: Draft._queued,
    events.DELIVERY: Draft._delivery,
    events.EXPIRED: Draft._expired,
    events.REMOVED: Draft._removed,
    events.REJECT: Draft._refused,
    events.STORED: Draft._stored,
    events.SCANNED: Draft._scanned,
    events.LIMITED: Draft._limited,
    events.UPDATED: Draft._update,
    events.OPERATION: Draft._operation,
    events.ORIGIN: Draft._origin,
    events.LOGIN: Draft._login,
    events.LOGIN_FAILED: Draft._login_failed,
    events.AUTH_FAILED: Draft._login_failed,
    events.SMTP_LOGIN: Draft._smtp_login,
    events.SESSION_END: Draft._session_end,
    events.PIPELINING: Draft._pipelining,
}


def replayed(kind: str, queue_id: str, began: float, lines: list[str], zone_stamps: Stamps) -> Draft:
    """A draft built anew from its stored lines."""
    draft = Draft(kind, queue_id, began)
    for line in lines:
        event = parse(line)
        moment = zone_stamps.moment(event.stamp)
        draft.add(line, moment if moment is not None else began)
        draft.apply(event)
    return draft
