"""The panel in Debian's Chromium: no sideways scroll, nothing against the content policy, no finding by axe.

Screenshots stay in tests/artifacts/ for whoever wants to look.
"""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser
from pytest_django.live_server_helper import LiveServer

from accounts.models import Account
from tests.browser.looks import LOOKS, Look, Place, see_all
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "logs"])


def pages_of(people: dict[str, Account]) -> list[Place]:
    """Who looks at what, under which name."""
    domain = people["pola"].address.partition("@")[2]
    account = f"/domain/{domain}/accounts/{people['ola'].pk}/"
    return [
        ("", "/login/", "login"),
        ("pola", "/", "home"),
        ("pola", "/password/", "password"),
        ("pola", "/forwarding/", "forwarding"),
        ("pola", "/autoresponder/", "autoresponder"),
        ("pola", "/filters/", "filters"),
        ("pola", "/filters/add/", "filter"),
        ("pola", "/filters/try/", "filters-try"),
        ("pola", "/spam/", "spam"),
        ("pola", "/spam/messages/", "spam-messages"),
        ("pola", f"/domain/{domain}/spam/", "domain-spam"),
        ("root", "/server/spam/", "server-spam"),
        ("root", "/server/protections/", "protections"),
        ("root", "/server/webmail/", "webmails"),
        ("root", "/server/webmail/add/", "webmail-add"),
        ("root", f"/server/webmail/of-domain/{domain}/", "webmail-domain"),
        ("pola", "/app-passwords/", "app-passwords"),
        ("pola", "/second-factor/", "second-factor"),
        ("pola", "/mail-programs/", "mail-programs"),
        ("pola", f"/domain/{domain}/accounts/add/", "account-add"),
        ("pola", account, "account"),
        ("pola", f"{account}delete/", "account-delete"),
        ("pola", f"/domain/{domain}/aliases/", "aliases"),
        ("pola", f"/domain/{domain}/dns/", "dns"),
        ("pola", "/sending/", "sending"),
        ("pola", f"{account}sending/", "account-sending"),
        ("root", "/server/sending/", "server-sending"),
        ("root", "/server/addresses/", "addresses"),
        ("root", f"/domain/{domain}/addresses/", "domain-addresses"),
        ("pola", "/trace/", "trace"),
        ("pola", f"/domain/{domain}/trace/", "domain-trace"),
        ("root", "/server/", "server"),
        ("root", "/server/trace/?since=2020-01-01", "server-trace"),
        ("root", "/server/trace/1/", "trace-entry"),
        ("root", "/server/figures/?span=month", "figures"),
        ("root", "/server/dialogues/", "smtp-dialogues"),
        ("root", "/domains/", "domains"),
        ("root", "/domains/add/", "domain-add"),
        ("root", "/no-such-page/", "not-found"),
    ]


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_pages_hold_at_every_width_and_in_both_languages(
    live_server: LiveServer, browser: Browser, people: dict[str, Account], look: Look
) -> None:
    see_all(browser, live_server.url, people, pages_of(people), look, status="404")


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
