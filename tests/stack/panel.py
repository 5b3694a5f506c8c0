"""A person at the panel of a started instance: TLS, cookies, forms with their token; no JavaScript."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.parse
import urllib.request
from http.cookiejar import CookieJar

from provisioning.layout import Layout

SECONDS = 60


class Panel:
    """Logged in as the address."""

    def __init__(self, layout: Layout, address: str, password: str) -> None:
        trusted = ssl.create_default_context(cafile=str(layout.tls / "ca.crt"))
        trusted.check_hostname = False  # asked for by its address
        self.root = f"https://127.0.0.1:{layout.port('https')}"
        self.cookies = CookieJar()
        self.opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=trusted), urllib.request.HTTPCookieProcessor(self.cookies)
        )
        self.get("/login/")
        _url, page = self.post("/login/", username=address, password=password)
        assert "/logout/" in page

    def get(self, path: str) -> str:
        with self.opener.open(f"{self.root}{path}", timeout=SECONDS) as answer:
            text: str = answer.read().decode()
        return text

    def post(self, path: str, **typed: str) -> tuple[str, str]:
        """Where it led, and what stands there."""
        token = next(cookie.value for cookie in self.cookies if cookie.name == "csrftoken")
        form = urllib.parse.urlencode({**typed, "csrfmiddlewaretoken": token}).encode()
        request = urllib.request.Request(f"{self.root}{path}", form, {"Referer": f"{self.root}{path}"})  # noqa: S310
        with self.opener.open(request, timeout=SECONDS) as answer:
            return urllib.parse.urlsplit(answer.url).path, answer.read().decode()
