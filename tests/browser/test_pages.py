"""The panel in Debian's Chromium: no sideways scroll, nothing against the content policy, no finding by axe.

Screenshots stay in tests/artifacts/ for whoever wants to look.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from axe_core_python.sync_playwright import Axe
from django.test import Client
from playwright.sync_api import Browser, Page, sync_playwright
from pytest_django.fixtures import Settings
from pytest_django.live_server_helper import LiveServer

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account
from domains import actions as domain_actions
from provisioning.models import Node
from tests.conftest import PASSWORD

ARTIFACTS = Path(__file__).resolve().parents[1] / "artifacts"
CHROMIUM = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
Scheme = Literal["light", "dark"]
LOOKS: list[tuple[int, Scheme, str]] = [
    (360, "light", "pl"),
    (390, "dark", "en"),
    (820, "light", "en"),
    (1440, "dark", "pl"),
    (1440, "light", "pl"),
]
# Django refuses its ORM in a thread with an event loop, which playwright has: tests only read through the
# browser.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM)
        yield chromium
        chromium.close()


@pytest.fixture(autouse=True)
def over_http(settings: Settings) -> None:
    """The live server speaks no TLS and serves files without hashes."""
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = False
    settings.STORAGES = {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }


@pytest.fixture
def people(transactional_db: None) -> dict[str, Account]:
    console = Actor.console()
    Node.objects.get_or_create(name="local")
    firma = domain_actions.add_domain(name="żółw.example", by=console)
    pola = actions.add_account(domain=firma, localpart="pola", password=PASSWORD, name="Pola Żak", by=console)
    domain_actions.set_managers(firma, addresses=[pola.address], by=console)
    actions.add_account(
        domain=firma, localpart="c" * 64, password=PASSWORD, name="Bardzo Długa Nazwa " * 5, by=console
    )
    locked = actions.add_account(domain=firma, localpart="ola", password=PASSWORD, by=console)
    actions.lock_account(locked, reason="faktury", by=console)
    actions.add_alias(domain=firma, localpart="biuro", targets=[pola.address, "x@gmail.example"], by=console)
    root = actions.add_operator(address="root@localhost", password=PASSWORD, is_superuser=True, by=console)
    return {"pola": pola, "ola": locked, "root": root}


def pages_of(people: dict[str, Account]) -> list[tuple[str, str, str]]:
    """Who looks at what, under which name."""
    domain = people["pola"].address.partition("@")[2]
    account = f"/domain/{domain}/accounts/{people['ola'].pk}/"
    return [
        ("", "/login/", "login"),
        ("pola", "/", "home"),
        ("pola", "/password/", "password"),
        ("pola", "/forwarding/", "forwarding"),
        ("pola", "/autoresponder/", "autoresponder"),
        ("pola", "/app-passwords/", "app-passwords"),
        ("pola", "/second-factor/", "second-factor"),
        ("pola", "/mail-programs/", "mail-programs"),
        ("pola", f"/domain/{domain}/", "domain"),
        ("pola", f"/domain/{domain}/accounts/add/", "account-add"),
        ("pola", account, "account"),
        ("pola", f"{account}delete/", "account-delete"),
        ("pola", f"/domain/{domain}/aliases/", "aliases"),
        ("root", "/server/", "server"),
        ("root", "/domains/", "domains"),
        ("root", "/domains/add/", "domain-add"),
        ("root", "/no-such-page/", "not-found"),
    ]


@pytest.mark.parametrize(("width", "scheme", "language"), LOOKS)
def test_pages_hold_at_every_width_and_in_both_languages(
    live_server: LiveServer,
    browser: Browser,
    people: dict[str, Account],
    width: int,
    scheme: Scheme,
    language: str,
) -> None:
    ARTIFACTS.mkdir(exist_ok=True)
    for who, path, name in pages_of(people):
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
            locale=language,
        )
        context.add_cookies(
            [
                {"name": key, "value": value, "url": live_server.url}
                for key, value in _cookies(people, who, language)
            ]
        )
        page = context.new_page()
        troubles = _watched(page)
        page.goto(live_server.url + path)
        page.screenshot(path=ARTIFACTS / f"{name}-{width}-{scheme}-{language}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, (
            f"{name} scrolls sideways at {width}"
        )
        findings = Axe().run(page)["violations"]
        assert [(f["id"], [n["html"] for n in f["nodes"]][:3]) for f in findings] == [], name
        assert [trouble for trouble in troubles if "404" not in trouble] == [], name
        context.close()


def test_password_is_changed_by_keyboard_and_without_javascript(
    live_server: LiveServer, browser: Browser, people: dict[str, Account]
) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(live_server.url + "/login/")
    page.fill("[name=username]", people["pola"].address)
    page.fill("[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(live_server.url + "/")
    page.goto(live_server.url + "/password/")
    page.fill("[name=current]", PASSWORD)
    page.fill("[name=password]", "Całkiem-Nowe-9")
    page.fill("[name=repeated]", "Całkiem-Nowe-9")
    page.keyboard.press("Enter")
    page.wait_for_selector(".note.success")
    people["pola"].refresh_from_db()
    assert people["pola"].check_password("Całkiem-Nowe-9")
    context.close()


def _cookies(people: dict[str, Account], who: str, language: str) -> list[tuple[str, str]]:
    cookies = [("django_language", language)]
    if who:
        Account.objects.filter(pk=people[who].pk).update(language=language)
        client = Client()
        client.force_login(people[who], backend="accounts.backends.AddressBackend")
        cookies.append(("sessionid", client.cookies["sessionid"].value))
    return cookies


def _watched(page: Page) -> list[str]:
    """What the browser complains about: the content policy, missing files, script errors."""
    troubles: list[str] = []
    page.on(
        "console",
        lambda message: troubles.append(message.text) if message.type in ("error", "warning") else None,
    )
    page.on("pageerror", lambda error: troubles.append(str(error)))
    return troubles
