"""Gateways that pass our SMS on. A new kind is a class with `send` in KINDS, and a choice of
SmsGateway.Kind.
"""

from __future__ import annotations

import http.client
import json
import string
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode, urlsplit

from django.utils.translation import gettext as _

from accounts.notifying import SmsGateway
from accounts.smsfaults import SmsFault, answered
from qmailux_site.errors import ActionRefused

SECONDS = 15
MOST_ANSWER_BYTES = 64 * 1024
MOST_DETAIL = 300
PLACES = ("number", "digits", "text")
# recipient, subject, text
SendMail = Callable[[str, str, str], None]


class NotSent(Exception):
    """Worth another try. code: of accounts.smsfaults, which the owner of the account is told in words: it
    holds neither addresses nor keys of the gateway. detail: what the gateway answered, for the superadmin.
    """

    def __init__(self, code: str, *, detail: str = "") -> None:
        super().__init__(code)
        self.code = str(code)
        self.detail = "".join(filter(str.isprintable, detail))[:MOST_DETAIL]


@dataclass(frozen=True, slots=True)
class HttpGateway:
    """One request to somebody's web service."""

    settings: SmsGateway
    seconds: float = SECONDS

    def send(self, number: str, text: str, _send_mail: SendMail | None) -> None:
        try:
            with _opener().open(self._request(number, text), timeout=self.seconds) as answer:
                status, content = answer.status, answer.read(MOST_ANSWER_BYTES)
        except urllib.error.HTTPError as error:
            raise NotSent(answered(error.code), detail=_body(error)) from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise NotSent(_fault(error), detail=_cause(error)) from error
        said, wanted = content.decode("utf-8", "replace"), self.settings.answer_contains
        if status >= 300:
            raise NotSent(answered(status), detail=said)
        if wanted and wanted not in said:
            raise NotSent(SmsFault.NOT_TAKEN, detail=said)

    def _request(self, number: str, text: str) -> urllib.request.Request:
        values = values_of(number, text)
        url = filled(self.settings.url, values, quoted=lambda value: quote(value, safe=""))
        headers = dict(header_lines(self.settings.headers))
        kind, body = self.settings.body_kind, None
        if kind == SmsGateway.Body.JSON:
            body = json.dumps(_filled_json(json.loads(self.settings.body), values)).encode()
            headers.setdefault("Content-Type", "application/json")
        elif kind == SmsGateway.Body.FORM:
            pairs = [(name, filled(value, values)) for name, value in form_lines(self.settings.body)]
            body = urlencode(pairs).encode()
        return urllib.request.Request(url, data=body, headers=headers)  # noqa: S310  # the superadmin's


@dataclass(frozen=True, slots=True)
class MailGateway:
    """A letter to an address that turns it into an SMS."""

    settings: SmsGateway

    def send(self, number: str, text: str, send_mail: SendMail | None) -> None:
        if send_mail is None:
            raise ValueError("only the node's worker sends mail elsewhere")
        values = values_of(number, text)
        send_mail(filled(self.settings.recipient, values), filled(self.settings.subject, values), text)


KINDS: Mapping[str, type[HttpGateway | MailGateway]] = {
    SmsGateway.Kind.HTTP: HttpGateway,
    SmsGateway.Kind.MAIL: MailGateway,
}


def gateway_of(settings: SmsGateway) -> HttpGateway | MailGateway:
    return KINDS[settings.kind](settings)


def values_of(number: str, text: str) -> dict[str, str]:
    return {"number": number, "digits": number.removeprefix("+"), "text": text}


def filled(pattern: str, values: Mapping[str, str], *, quoted: Callable[[str], str] = str) -> str:
    """The pattern with its places filled; braces of other words stay as they are."""
    for place in PLACES:
        pattern = pattern.replace("{" + place + "}", f"\0{place}\0")
    for place in PLACES:
        pattern = pattern.replace(f"\0{place}\0", quoted(values[place]))
    return pattern


def check_gateway(settings: SmsGateway) -> None:
    """Raise ActionRefused at the field that a message could not be sent with."""
    if settings.kind == SmsGateway.Kind.MAIL:
        if "{number}" not in settings.recipient and "{digits}" not in settings.recipient:
            raise ActionRefused("recipient", _("The recipient holds {number} or {digits}."))
        return
    parts = urlsplit(settings.url)
    if parts.scheme not in ("http", "https") or not parts.hostname or not settings.url.isprintable():
        raise ActionRefused("url", _("Enter an address that begins with https:// or http://."))
    header_lines(settings.headers)
    if settings.body_kind == SmsGateway.Body.JSON:
        try:
            json.loads(settings.body)
        except ValueError:
            raise ActionRefused("body", _("This is not JSON.")) from None
    elif settings.body_kind == SmsGateway.Body.FORM:
        form_lines(settings.body)
    everything = settings.url + settings.body * (settings.body_kind != SmsGateway.Body.NONE)
    if "{text}" not in everything or not ("{number}" in everything or "{digits}" in everything):
        raise ActionRefused("url", _("URL or body must hold {text}, and {number} or {digits}."))


def header_lines(text: str) -> list[tuple[str, str]]:
    """Name and value of each line; a name that is none is refused."""
    found = []
    for line in filter(None, map(str.strip, text.splitlines())):
        name, colon, value = line.partition(":")
        if not colon or not name or set(name) - set(string.ascii_letters + string.digits + "-_"):
            raise ActionRefused("headers", _("Write each header as Name: value."))
        if not value.isprintable() or not value.isascii():
            raise ActionRefused("headers", _("A header holds printable ASCII characters only."))
        found.append((name, value.strip()))
    return found


def form_lines(text: str) -> list[tuple[str, str]]:
    found = []
    for line in filter(None, map(str.strip, text.splitlines())):
        name, equals, value = line.partition("=")
        if not equals or not name:
            raise ActionRefused("body", _("Write each field as name=value."))
        found.append((name, value))
    return found


def _filled_json(part: object, values: Mapping[str, str]) -> object:
    """Inside strings only: what is filled in can never become anything else than text."""
    if isinstance(part, str):
        return filled(part, values)
    if isinstance(part, list):
        return [_filled_json(inner, values) for inner in part]
    if isinstance(part, dict):
        return {name: _filled_json(inner, values) for name, inner in part.items()}
    return part


def _body(error: urllib.error.HTTPError) -> str:
    """What stands in an answer that says no; nothing where it cannot be read."""
    try:
        return error.read(MOST_ANSWER_BYTES).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException):
        return ""


def _fault(error: Exception) -> SmsFault:
    return SmsFault.TIMED_OUT if isinstance(_reason(error), TimeoutError) else SmsFault.UNREACHABLE


def _reason(error: Exception) -> object:
    """urllib wraps what went wrong until the request is sent, and nothing after that."""
    return error.reason if isinstance(error, urllib.error.URLError) else error


def _cause(error: Exception) -> str:
    """Why there was no answer. A ValueError repeats the URL, which may hold a key."""
    reason = _reason(error)
    return str(reason) if isinstance(reason, OSError) else type(error).__name__


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A key in a header must not follow to another server."""

    def redirect_request(self, *_arguments: object) -> None:
        return None


def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(_NoRedirect, urllib.request.ProxyHandler({}))
