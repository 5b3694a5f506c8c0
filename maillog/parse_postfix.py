"""Lines of Postfix. Pure and total."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from maillog.events import (
    AUTH_FAILED,
    CLIENT,
    CONNECT,
    DELIVERY,
    DIALOGUE,
    DISCONNECT,
    DNSBL,
    EXPIRED,
    LIMITED,
    LOST,
    MESSAGE_ID,
    NOTHING,
    NOTIFICATION,
    OTHER,
    OUTGOING_TLS,
    PICKUP,
    PIPELINING,
    QUEUED,
    REJECT,
    REMOVED,
    SCREEN,
    STARTED,
    SUBJECT,
    TLS,
    Event,
)

# Short ids are capital hexadecimal, long ones digits and consonants (postconf(5), enable_long_queue_ids).
_QUEUE_ID = re.compile(r"[0-9A-F]{6,17}|[0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-z]{10,22}")
_KEPT_IDS = 20_000
_ids: set[str] = set()
_SUBJECT_END = re.compile(r" from (?:[^\s\[]+\[[0-9A-Fa-f.:]+\]|local|unknown\[unknown\]); from=<")
_REFUSAL = re.compile(
    r"(milter-reject|milter-hold|reject|discard|hold|warn|filter|redirect|prepend): (.*)", re.DOTALL
)
_ENVELOPE_END = re.compile(r" proto=\w+(?: helo=<(.*)>)?$", re.DOTALL)
_SCREEN_CLIENT = re.compile(r"\[([0-9A-Fa-f.:]+)\](?::\d+)?")
_RBL = re.compile(r"addr (\S+) listed by domain (\S+) as (\S+)")
_LIMIT = re.compile(r"(.{7,40} limit exceeded: \d+) from (\S+) for service ")
# What stands between two fields: postscreen puts a comma.
_SEPARATORS = (" ", ", ")
Found = tuple[str, Mapping[str, str]]
Reader = Callable[[str], Found]
_OTHER: Found = (OTHER, NOTHING)
_new_event = tuple.__new__


class Program(NamedTuple):
    """Who wrote a line. read: what takes its text apart, None for a program that says nothing we ask for."""

    service: str
    origin: str
    process: str
    is_postfix: bool
    read: Reader | None


def event(stamp: str, program: Program, text: str) -> Event:
    first, found, rest = text.partition(": ")
    if not found:
        queue_id = ""
    elif first in _ids or _is_queue_id(first):
        queue_id, text = first, rest
    else:
        queue_id = ""
        if first == "NOQUEUE":
            text = rest
    service, origin, process, _, read = program
    kind, fields = read(text) if read else _OTHER
    # The constructor by name would cost as much as all of the above.
    return _new_event(Event, (kind, stamp, service, origin, process, queue_id, text, fields))


def _is_queue_id(text: str) -> bool:
    """Remembers those that are: each comes in some seven lines."""
    if not _QUEUE_ID.fullmatch(text):
        return False
    if len(_ids) >= _KEPT_IDS:
        _ids.clear()
    _ids.add(text)
    return True


def _smtpd(text: str) -> Found:
    if text.startswith("client="):
        return CLIENT, _client_line(text[7:])
    if text.startswith("connect from "):
        return CONNECT, _client(text[13:])
    if text.startswith("disconnect from "):
        return DISCONNECT, NOTHING
    if text.startswith(("< ", "> ")):
        return DIALOGUE, _dialogue(text)
    if text.startswith(("lost connection after ", "timeout after ", "too many errors after ")):
        return LOST, NOTHING
    if " TLS connection established from " in text[:60]:
        return TLS, {"protocol": text.partition("]: ")[2].partition(" ")[0]}
    if text.startswith("improper command pipelining after "):
        client = text.partition(" from ")[2].partition(": ")[0]
        return PIPELINING, _client(client)
    if text.startswith("warning: "):
        return _authentication(text[9:])
    return _refusal(text)


def _dialogue(text: str) -> Mapping[str, str]:
    """< name[address]: what the client said; with > what it was answered."""
    client, _, said = text[2:].partition("]: ")
    return {**_client(f"{client}]"), "side": text[0], "said": said}


def _authentication(text: str) -> Found:
    if limited := _LIMIT.match(text):
        return LIMITED, {**_client(limited[2]), "reason": limited[1]}
    client, found, rest = text.partition(": SASL ")
    if not found or " authentication failed" not in rest:
        return _OTHER
    method = rest.partition(" ")[0]
    # Everything after the first mark is the name that was typed, whatever it pretends to be (LOG-08).
    reason, _, login = rest.partition(" authentication failed")[2].partition(", sasl_username=")
    return AUTH_FAILED, {**_client(client), "method": method, "reason": reason.lstrip(": "), "login": login}


def _client_line(text: str) -> Mapping[str, str]:
    client, comma, rest = text.partition(", ")
    fields = _client(client)
    if not comma:
        return fields
    method, _, login = rest.partition(", sasl_username=")
    if method.startswith("sasl_method="):
        return {**fields, "method": method[12:], "login": login}
    return fields


def _client(text: str) -> dict[str, str]:
    """name[address] or [address]:port."""
    name, _, address = text.rpartition("[")
    return {"name": name, "address": address.partition("]")[0]}


def _refusal(text: str) -> Found:
    """milter-reject: END-OF-MESSAGE from client: 5.7.1 words; from=<..> to=<..> proto=.. helo=<..>"""
    if not (found := _REFUSAL.match(text)):
        return _OTHER
    action, rest = found[1], found[2]
    if action in ("warn", "filter", "redirect", "prepend"):
        return _OTHER
    start, fields = _envelope(rest)
    said = rest[:start]
    stage, _, said = said.partition(" from ")
    if stage.startswith(("header ", "body ", "mime ")):
        # "header Name: value from client": the client is the last one before the envelope.
        stage, _, said = rest[:start].rpartition(" from ")
        reason = rest[start:].rpartition(": ")[2]
        client = said
    else:
        client, _, reason = said.partition("]: ") if "]: " in said else said.partition(": ")
    fields.update(action=action, stage=stage, reason=reason)
    if match := _SCREEN_CLIENT.search(client if client.endswith("]") else f"{client}]"):
        fields.update(name=client[: match.start()], address=match[1])
    return REJECT, fields


def _envelope(text: str) -> tuple[int, dict[str, str]]:
    """Where "; from=<" begins, and sender, recipient and HELO.

    A recipient may itself look like the end of the line: the words before name it as well, so of several
    readings the one whose recipient they name is right.
    """
    start = text.find("; from=<")
    fallback: tuple[int, dict[str, str]] = (start if start >= 0 else len(text), {})
    is_first = True
    while start >= 0:
        fields = _fields_of_envelope(text, start + 8)
        if fields is not None:
            if is_first:
                fallback = (start, fields)
            is_first = False
            if f"<{fields.get('to', '')}>: " in text[:start]:
                return start, fields
        start = text.find("; from=<", start + 1)
    return fallback


def _fields_of_envelope(text: str, position: int) -> dict[str, str] | None:
    sender, position = _angle(text, position)
    fields = {"from": sender}
    for comma in _SEPARATORS:
        if text.startswith(f"{comma}to=<", position):
            fields["to"], position = _angle(text, position + len(comma) + 4)
            break
    tail = text[position:]
    if tail.startswith(", proto="):
        tail = tail.replace(", proto=", " proto=", 1).replace(", helo=", " helo=", 1)
    if (found := _ENVELOPE_END.match(tail)) or (found := _ENVELOPE_END.match(tail.rpartition(": ")[0])):
        fields["helo"] = found[1] or ""
        return fields
    return fields if not tail else None


def _angle(text: str, start: int) -> tuple[str, int]:
    """The address that begins at start, to its closing >, and the position behind it. A quoted local part
    may hold a > itself.
    """
    position = start
    if text.startswith('"', start):
        position += 1
        while position < len(text) and text[position] != '"':
            position += 2 if text[position] == "\\" else 1
    end = text.find(">", position)
    if end < 0:
        return text[start:], len(text)
    return text[start:end], end + 1


def _cleanup(text: str) -> Found:
    if text.startswith("message-id="):
        return MESSAGE_ID, {"message_id": _without_angles(text[11:])}
    if text.startswith("info: header Subject:"):
        found = _SUBJECT_END.search(text)
        return SUBJECT, {"subject": text[21 : found.start() if found else len(text)].strip()}
    return _refusal(text)


def _without_angles(text: str) -> str:
    return text[1:-1] if text.startswith("<") and text.endswith(">") else text


def _qmgr(text: str) -> Found:
    if text == "removed":
        return REMOVED, NOTHING
    if not text.startswith("from=<"):
        return _OTHER
    sender, position = _angle(text, 6)
    tail = text[position:]
    if tail.startswith(", size="):
        size, _, count = tail[7:].partition(", nrcpt=")
        return QUEUED, {"from": sender, "size": size, "count": count.partition(" ")[0]}
    if "status=expired" in tail or "status=force-expired" in tail:
        return EXPIRED, {"from": sender, "reason": tail.lstrip(", ")}
    return OTHER, {"from": sender}


def _delivery(text: str) -> Found:
    if not text.startswith("to=<"):
        if " TLS connection established to " in text[:60]:
            return OUTGOING_TLS, _outgoing_tls(text)
        return _OTHER
    recipient, position = _angle(text, 4)
    fields = {"to": recipient}
    if text.startswith(", orig_to=<", position):
        fields["original"], position = _angle(text, position + 11)
    status_at = text.find(", status=", position)
    if status_at < 0:
        return OTHER, fields
    way = text[position:status_at]
    fields["relay"] = way.partition(", relay=")[2].partition(",")[0]
    fields["dsn"] = way.rpartition(", dsn=")[2]
    fields["status"], _, reply = text[status_at + 9 :].partition(" ")
    fields["reply"] = reply[1:-1] if reply[:1] == "(" and reply[-1:] == ")" else reply.lstrip("(")
    return DELIVERY, fields


def _outgoing_tls(text: str) -> Mapping[str, str]:
    """Trusted TLS connection established to mx.example[192.0.2.1]:25: TLSv1.3 with cipher ..."""
    trust, _, rest = text.partition(" TLS connection established to ")
    relay, _, said = rest.partition(": ")
    return {"trust": trust, "relay": relay, "protocol": said.partition(" ")[0]}


def _bounce(text: str) -> Found:
    if " notification: " in text:
        about, _, queue_id = text.rpartition(" notification: ")
        return NOTIFICATION, {"about": about, "other": queue_id}
    return _OTHER


def _pickup(text: str) -> Found:
    if text.startswith("uid="):
        sender = text.partition(" from=<")[2]
        return PICKUP, {"from": sender[:-1] if sender.endswith(">") else sender}
    return _OTHER


def _postscreen(text: str) -> Found:
    if text.startswith(("reject: ", "milter-reject: ")):
        return _refusal(text)
    word = text.partition(" ")[0]
    if word in ("CONNECT", "PASS", "PREGREET", "DNSBL", "HANGUP", "DISCONNECT", "DENYLISTED", "BLACKLISTED"):
        found = _SCREEN_CLIENT.search(text)
        return SCREEN, {"word": word, "address": found[1] if found else ""}
    return _OTHER


def _dnsblog(text: str) -> Found:
    if found := _RBL.match(text):
        return DNSBL, {"address": found[1], "list": found[2], "answer": found[3]}
    return _OTHER


def _master(text: str) -> Found:
    return (STARTED, NOTHING) if text.startswith("daemon started") else _OTHER


READERS: dict[str, Reader] = {
    "smtpd": _smtpd,
    "cleanup": _cleanup,
    "qmgr": _qmgr,
    **dict.fromkeys(
        ("smtp", "lmtp", "relay", "local", "virtual", "pipe", "error", "retry", "discard"), _delivery
    ),
    "bounce": _bounce,
    "pickup": _pickup,
    "postscreen": _postscreen,
    "dnsblog": _dnsblog,
    "master": _master,
}
