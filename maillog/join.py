"""Lines into messages and sessions. Pure: knows neither files nor database.

What joins: a queue id; the process of a connection (its lines come before the id); Dovecot's session id,
which stands in the answer to Postfix's delivery; of a login, its session.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from itertools import islice

from maillog import events
from maillog.dialogue import Masking
from maillog.draft import APPLY, Draft, packed
from maillog.events import Event
from maillog.mechanisms import mechanism_of
from maillog.parse import parse, split_glued
from maillog.stamps import Stamps

# A reply of Dovecot's LMTP: "250 2.0.0 <jan@firma.test> SESSION Saved"
_SESSION_IN_REPLY = re.compile(r"> (\S{16,40}) Saved$")
_BEGINS = {events.CLIENT, events.PICKUP}
_MAY_BEGIN = {*_BEGINS, events.MESSAGE_ID}
# Lines of other parts about a message that Postfix tells of.
_ASIDE = {events.INFECTED, events.NOTE}
# All others go straight to the message that their id names.
_NOT_AT_ONCE = {*_MAY_BEGIN, *_ASIDE, events.OTHER}
MOST_LINES_OF_CONNECTION = 40
MOST_KEPT = 10_000
Recall = Callable[[str], Draft | None]
Handler = Callable[[Event, str, float], None]


def nothing_known(key: str) -> Draft | None:
    return None


class Joiner:
    """feed() takes the lines of one file after another; take_changed() gives what is to be stored.

    recall: finds an open entry that was stored earlier, by queue id or session.
    """

    def __init__(self, recall: Recall = nothing_known) -> None:
        self.recall = recall
        self.line_count = 0
        self.unknown_count = 0
        self.open: dict[str, Draft] = {}
        self.connections: dict[str, list[str]] = {}
        self.screened: dict[str, list[str]] = {}
        self.deliveries: dict[str, list[str]] = {}
        self._receiving: dict[str, Draft] = {}
        self._awaiting: dict[str, Draft] = {}
        self._infected: dict[str, Draft] = {}
        self._tls: dict[str, tuple[str, str]] = {}
        self._reasons: dict[tuple[str, str], str] = {}
        self._dialogues: dict[str, Draft] = {}
        self._masking = Masking()
        self._denied = False
        self._last: Draft | None = None
        self._changed: list[Draft] = []
        self._without_id: dict[str, Handler] = {
            events.CONNECT: self._connect,
            events.TLS: self._of_connection,
            events.LOST: self._of_connection,
            events.DISCONNECT: self._disconnect,
            events.REJECT: self._refusal,
            events.AUTH_FAILED: self._smtp_login_failed,
            events.PIPELINING: self._too_early,
            events.LIMITED: self._too_early,
            events.OUTGOING_TLS: self._outgoing,
            events.DIALOGUE: self._dialogue,
            events.SCREEN: self._screen,
            events.DNSBL: self._screen,
            events.STORED: self._stored,
            events.SCANNED: self._stored,
            events.UPDATE_BEGUN: self._update_begun,
            events.UPDATED: self._update,
            events.ORIGIN: self._origin,
            events.LOGIN: self._login,
            events.LOGIN_FAILED: self._login_failed,
            events.SMTP_LOGIN: self._smtp_login,
            events.AUTH_DETAIL: self._auth_detail,
            events.DENIED: self._deny,
            events.MAILBOX: self._of_session,
            events.SESSION_END: self._of_session,
            events.REPEATED: self._repeated,
        }

    def feed(self, lines: Iterable[str], stamps: Stamps) -> None:
        """Join the lines of one file, in their order."""
        of_message, without_id, moment_of = self._of_message, self._without_id, stamps.moment
        last_stamp, moment = "", stamps.reference
        count = 0
        for line in lines:
            if not line:
                continue
            count += 1
            event = parse(line)
            kind, stamp, _, _, _, queue_id, _, _ = event
            # Lines of the same second follow each other.
            if stamp != last_stamp:
                found, last_stamp = moment_of(stamp), stamp
                # What names no moment is shown as it stands, in the order of the file.
                if found is None:
                    found = stamps.last if stamps.last is not None else stamps.reference
                moment = found
            if queue_id:
                of_message(kind, queue_id, event, line, moment, stamps)
            elif (handle := without_id.get(kind)) is not None:
                handle(event, line, moment)
            elif kind == events.UNKNOWN:
                self.unknown_count += 1
        self.line_count += count

    def take_changed(self) -> list[Draft]:
        """Entries that are new or have changed since the last call."""
        changed, self._changed = self._changed, []
        for draft in changed:
            draft.is_changed = False
        for table in (
            self._awaiting,
            self._receiving,
            self._infected,
            self._tls,
            self._dialogues,
            self._reasons,
            self.screened,
            self.deliveries,
            self.connections,
        ):
            _shorten(table)
        return changed

    def forget_oldest(self, most: int) -> list[str]:
        """Let go of open entries beyond so many, all of them stored; returns their keys."""
        keys = list(self.open)[: max(0, len(self.open) - most)]
        for key in keys:
            del self.open[key]
        return keys

    # Lines with a queue id

    def _of_message(
        self, kind: str, queue_id: str, event: Event, line: str, moment: float, stamps: Stamps
    ) -> None:
        draft = self.open.get(queue_id)
        if draft is None or kind in _NOT_AT_ONCE:
            if kind in _ASIDE:
                self._of_scanner(queue_id, line, moment)
                return
            if draft is None or kind in _MAY_BEGIN:
                draft = self._message(event, moment)
            if kind == events.CLIENT:
                self._begun(draft, event, moment)
            elif kind == events.OTHER and self._is_glued(event, line, stamps):
                return
        draft.add(line, moment)
        if (apply := APPLY.get(kind)) is not None:
            apply(draft, event)
        self._last = draft
        if not draft.is_changed:
            self._mark(draft)
        if kind == events.DELIVERY:
            self._answered(draft, event, moment)
        elif draft.is_closed:
            self.open.pop(queue_id, None)
            if kind == events.REJECT:
                self._infected[queue_id] = draft

    def _is_glued(self, event: Event, line: str, stamps: Stamps) -> bool:
        """Two writers' lines in one are read one after the other (LOG-09)."""
        if not event.text.startswith("removed"):
            return False
        first, *glued = split_glued(line)
        if glued:
            self.line_count -= 1
            self.feed([first, *glued], stamps)
        return bool(glued)

    def _of_scanner(self, queue_id: str, line: str, moment: float) -> None:
        """The virus scanner's own line, or that of another check: its file may be read before or after."""
        draft = self.open.get(queue_id) or self._infected.get(queue_id)
        if draft is None:
            self.deliveries.setdefault(queue_id, []).append(line)
            return
        draft.add(line, moment)
        self._mark(draft)

    def _mark(self, draft: Draft) -> None:
        """It is to be stored."""
        if not draft.is_changed:
            draft.is_changed = True
            self._changed.append(draft)

    def _begun(self, draft: Draft, event: Event, moment: float) -> None:
        """The lines of its connection so far are the message's too."""
        process = event.process
        for earlier in self.connections.get(process, ()):
            draft.add(earlier, moment)
        self._give_up(process)
        self._receiving[process] = draft

    def _message(self, event: Event, moment: float) -> Draft:
        """The message of the id: a new one where a message begins, whatever the id was before (LOG-03)."""
        key = event.queue_id
        draft = self.open.get(key) or self.recall(key)
        if draft is not None and _is_next(draft, event):
            draft.abandon()
            self._mark(draft)
            draft = None
        if draft is None:
            draft = Draft("message", key, moment)
            for earlier in self.deliveries.pop(key, ()):
                draft.add(earlier, moment)
        self.open[key] = draft
        return draft

    def _outgoing(self, event: Event, line: str, moment: float) -> None:
        """The encryption of a connection to elsewhere: told of each delivery over it."""
        self._tls[event.process] = (event.fields["relay"], line)

    def _answered(self, draft: Draft, event: Event, moment: float) -> None:
        """Dovecot's own lines of this delivery, wherever they are."""
        reply = event.fields["reply"]
        if self._tls and event.program == "smtp":
            over, encrypted = self._tls.get(event.process, ("", ""))
            if over == event.fields["relay"] and encrypted not in draft.lines[-MOST_LINES_OF_CONNECTION:]:
                draft.lines.insert(-1, encrypted)
        found = _SESSION_IN_REPLY.search(reply) if reply.endswith(" Saved") else None
        if not found:
            return
        for line in self.deliveries.pop(found[1], ()):
            draft.add(line, moment)
            draft.apply(parse(line))
        self._awaiting[found[1]] = draft

    # Lines without a queue id: connections

    def _connect(self, event: Event, line: str, moment: float) -> None:
        earlier = self.screened.pop(event.fields["address"], [])
        self.connections[event.process] = [*earlier, line]

    def _of_connection(self, event: Event, line: str, moment: float) -> None:
        lines = self.connections.get(event.process)
        if lines is not None and len(lines) < MOST_LINES_OF_CONNECTION:
            lines.append(line)

    def _disconnect(self, event: Event, line: str, moment: float) -> None:
        process = event.process
        self.connections.pop(process, None)
        self._give_up(process)
        if (dialogue := self._dialogues.pop(process, None)) is not None:
            dialogue.is_closed = True
            self._mark(dialogue)

    def _give_up(self, process: str) -> None:
        """The connection went on or away; a message whose text never came is none."""
        draft = self._receiving.pop(process, None)
        if draft is not None and draft.never_came() and self.open.get(draft.queue_id) is draft:
            draft.verdict, draft.is_closed = "abandoned", True
            self._mark(draft)
            del self.open[draft.queue_id]

    def _dialogue(self, event: Event, line: str, moment: float) -> None:
        """Word for word, for the operator alone: such an entry is of nobody."""
        process, fields = event.process, event.fields
        draft = self._dialogues.get(process)
        if draft is None:
            draft = self._dialogues[process] = Draft("debug", "", moment)
            draft.client, draft.client_name = packed(fields["address"]), fields["name"]
            draft.service, draft.verdict = event.origin.partition("/")[0] or event.program, "done"
        masked = self._masking.masked(process, fields["side"], fields["said"])
        draft.add(line.removesuffix(fields["said"]) + masked, moment)
        self._mark(draft)

    def _refusal(self, event: Event, line: str, moment: float) -> None:
        """Each refusal is an entry of its own (LOG-01)."""
        draft = self._alone(event, line, moment, kind="refusal")
        if event.fields["reason"].startswith("535") or "SASL login name rejected" in event.fields["reason"]:
            draft.login = draft.sender

    def _too_early(self, event: Event, line: str, moment: float) -> None:
        self._alone(event, line, moment, kind="refusal")

    def _alone(self, event: Event, line: str, moment: float, *, kind: str) -> Draft:
        """An entry of this line and those of its connection before it."""
        draft = Draft(kind, "", moment)
        draft.service, _, draft.own_label = (event.origin or event.program).partition("/")
        for earlier in self.connections.get(event.process, ()) or self.screened.get(
            event.fields.get("address", ""), ()
        ):
            draft.add(earlier, moment)
        draft.add(line, moment)
        draft.apply(event)
        draft.is_closed = True
        self._mark(draft)
        self._last = draft
        return draft

    def _screen(self, event: Event, line: str, moment: float) -> None:
        lines = self.screened.setdefault(event.fields["address"], [])
        if event.text.startswith("CONNECT "):
            lines.clear()
        if len(lines) < MOST_LINES_OF_CONNECTION:
            lines.append(line)

    # Logins and sessions

    def _smtp_login_failed(self, event: Event, line: str, moment: float) -> None:
        draft = self._alone(event, line, moment, kind="session")
        known = self._reasons.pop((event.fields["login"].lower(), event.fields["address"]), "")
        if known:
            draft.reason, draft.mechanism = known, _mechanism_of_login(known)

    def _smtp_login(self, event: Event, line: str, moment: float) -> None:
        """One over SMTP that succeeded; of one that failed, Postfix has a line too."""
        if event.fields["success"]:
            self._alone(event, line, moment, kind="session")
            return
        key = (event.fields["login"].lower(), event.fields["address"])
        if self._denied and key not in self._reasons:
            self._reasons[key] = "user disabled"
        self._denied = False

    def _auth_detail(self, event: Event, line: str, moment: float) -> None:
        if event.fields["address"]:
            self._reasons[event.fields["login"].lower(), event.fields["address"]] = event.fields["reason"]

    def _deny(self, event: Event, line: str, moment: float) -> None:
        self._denied = True

    def _origin(self, event: Event, line: str, moment: float) -> None:
        """A webmail says for whom it comes, before it logs them in."""
        self.connections[event.fields["session"]] = [line]

    def _session(self, event: Event, moment: float) -> Draft:
        """Of a login, with what was said in its connection before."""
        session = event.fields["session"]
        draft = Draft("session", session[:40], moment)
        for earlier in self.connections.pop(session, ()):
            draft.add(earlier, moment)
            draft.apply(parse(earlier))
        return draft

    def _login(self, event: Event, line: str, moment: float) -> None:
        draft = self._session(event, moment)
        self._session_line(draft, event, line, moment)

    def _login_failed(self, event: Event, line: str, moment: float) -> None:
        self._denied = False
        draft = self._session(event, moment)
        key = (event.fields["login"].lower(), event.fields["address"])
        draft.reason = self._reasons.pop(key, "")
        self._session_line(draft, event, line, moment)

    def _of_session(self, event: Event, line: str, moment: float) -> None:
        key = event.fields["session"][:40]
        draft = self.open.get(key) or self.recall(key) or Draft("session", key, moment)
        self._session_line(draft, event, line, moment)

    def _session_line(self, draft: Draft, event: Event, line: str, moment: float) -> None:
        draft.add(line, moment)
        draft.apply(event)
        if event.kind == events.MAILBOX:
            draft.login, draft.service = event.fields["login"], event.program
            draft.verdict = draft.verdict or "logged-in"
        self._mark(draft)
        self._last = draft
        if draft.is_closed:
            self.open.pop(draft.queue_id, None)
        elif draft.queue_id:
            self.open[draft.queue_id] = draft

    # Updates of the virus signatures

    def _update_begun(self, event: Event, line: str, moment: float) -> None:
        before = self.open.pop(event.program, None) or self.recall(event.program)
        if before is not None:
            before.verdict = before.verdict or "unknown"
            before.is_closed = True
            self._mark(before)
        draft = Draft("update", event.program, moment)
        draft.service = event.program
        self.open[event.program] = draft
        draft.add(line, moment)
        self._mark(draft)

    def _update(self, event: Event, line: str, moment: float) -> None:
        draft = self.open.get(event.program) or self.recall(event.program)
        if draft is not None:
            self.open[event.program] = draft
            draft.add(line, moment)
            draft.apply(event)
            self._mark(draft)

    # Deliveries

    def _stored(self, event: Event, line: str, moment: float) -> None:
        session = event.fields["session"]
        draft = self._awaiting.get(session)
        if draft is None:
            self.deliveries.setdefault(session, []).append(line)
            return
        draft.add(line, moment)
        draft.apply(event)
        self._mark(draft)

    def _repeated(self, event: Event, line: str, moment: float) -> None:
        if self._last is not None:
            self._last.add(line, moment)
            self._mark(self._last)


def _is_next(draft: Draft, event: Event) -> bool:
    """Does another message begin under the id of this one?"""
    if event.kind in _BEGINS:
        return True
    return event.kind == events.MESSAGE_ID and bool(draft.size or draft.fates)


def _mechanism_of_login(reason: str) -> str:
    return mechanism_of(reason) or "password"


def _shorten(
    table: dict[str, list[str]] | dict[str, Draft] | dict[tuple[str, str], str] | dict[str, tuple[str, str]],
) -> None:
    """The oldest go: what they wait for does not come any more."""
    # Taking the first key again and again would walk over the gaps of all those before it.
    for key in list(islice(table, max(0, len(table) - MOST_KEPT))):
        del table[key]  # type: ignore[arg-type]
