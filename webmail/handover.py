"""Logging somebody in to a webmail from here, so that only its cookies reach the browser.

The secret, typed password or token, goes over a socket inside the machine: it stands in no address, no log
and no page.
"""

from __future__ import annotations

import http.client
import re
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from urllib.parse import urlencode, urljoin

from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

from qmailux_site.errors import ActionRefused, HostUnreachable
from webmail.adapters import Adapter

SECONDS = 30
# A login page is small; more is not read.
MOST_BYTES = 2_000_000


@dataclass(frozen=True, slots=True)
class Visitor:
    """For whom we knock. host: as in the browser's address bar. address: of the browser."""

    host: str
    address: str
    language: str
    name: str


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    location: str
    text: str


@dataclass(slots=True)
class _Visit:
    """One conversation with a webmail; remembers its cookies."""

    door: Path
    path: str
    visitor: Visitor
    cookies: dict[str, str] = field(default_factory=dict)

    def ask(self, path: str, form: Mapping[str, str] | None = None) -> Answer:
        url = urljoin(self.path, path)
        headers = {
            "Host": self.visitor.host,
            "X-Forwarded-For": self.visitor.address,
            "Accept-Language": self.visitor.language,
            "Referer": f"https://{self.visitor.host}{self.path}",
            "Origin": f"https://{self.visitor.host}",
            "Connection": "close",
        }
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        body = None
        if form is not None:
            body = urlencode(form).encode()
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        connection = _DoorConnection(self.door)
        try:
            connection.request("GET" if form is None else "POST", url, body, headers)
            response = connection.getresponse()
            text = response.read(MOST_BYTES).decode("utf-8", "replace")
        except (OSError, http.client.HTTPException) as error:
            raise HostUnreachable(f"the webmail does not answer: {error}") from error
        finally:
            connection.close()
        self._remember(response.headers.get_all("Set-Cookie") or [])
        return Answer(response.status, response.headers.get("Location", ""), text)

    def _remember(self, lines: Iterable[str]) -> None:
        for line in lines:
            try:
                parsed = SimpleCookie(line)
            except CookieError:
                continue
            for name, morsel in parsed.items():
                # What a webmail takes back is written so, by PHP and by Roundcube.
                if morsel.value in ("", "deleted", "-del-") or morsel["max-age"] == "0":
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.coded_value


@sensitive_variables()
def log_in(
    adapter: Adapter, *, door: Path, path: str, address: str, secret: str, visitor: Visitor
) -> dict[str, str]:
    """The cookies of a session in which the person is logged in. Raises ActionRefused when the webmail does
    not let them in, HostUnreachable when it does not answer.
    """
    visit = _Visit(door, path, visitor)
    form = {name: _filled(text, visitor) for name, text in adapter.extra_fields.items()}
    if adapter.login_path or adapter.token_pattern:
        page = visit.ask(adapter.login_path)
        if adapter.token_pattern:
            form[adapter.token_field] = _token(adapter, page)
    form |= {adapter.user_field: address, adapter.password_field: secret}
    answer = visit.ask(adapter.post_path, form)
    if answer.status >= 500:
        raise HostUnreachable(f"the webmail answers with {answer.status}")
    if not re.search(adapter.success_pattern, answer.location or answer.text):
        raise ActionRefused("", _("The webmail did not let you in. Try again in a moment."))
    wanted = adapter.cookie_names or tuple(visit.cookies)
    return {name: visit.cookies[name] for name in wanted if name in visit.cookies}


def _token(adapter: Adapter, page: Answer) -> str:
    found = re.search(adapter.token_pattern, page.text)
    if found is None:
        raise HostUnreachable(f"the webmail's login page ({page.status}) holds no token")
    return found[1]


def _filled(text: str, visitor: Visitor) -> str:
    return text.replace("{language}", visitor.language).replace("{name}", visitor.name)


class _DoorConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, door: Path) -> None:
        super().__init__("localhost", timeout=SECONDS)
        self.door = door

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(SECONDS)
        self.sock.connect(str(self.door))
