"""The panel by keyboard alone: every path leads on, the focus is always seen, and it comes back."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page
from pytest_django.live_server_helper import LiveServer

from accounts.models import Account, Alias, Autoresponder
from tests.browser.keys import is_focused, press, stops, tab_to
from tests.browser.looks import Look, visit
from tests.browser.test_user_pages import WITH_LIFE
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "logs"])

DESK, PHONE = Look(1440, "light", "en"), Look(390, "dark", "pl")
# Or on the browser's own buttons, which come between the last and the first.
IN_DIALOG = "document.activeElement === document.body || !!document.activeElement.closest('dialog')"
OWN_PAGES = (
    *WITH_LIFE,
    "/trace/",
    "/second-factor/",
    "/app-passwords/",
    "/sessions/",
    "/mail-programs/",
)
SERVER_PAGES = (
    "/server/",
    "/server/trace/",
    "/server/queue/",
    "/server/alarms/",
    "/server/audit/",
    "/server/alarms/settings/",
    "/server/protections/",
    "/server/certificates/",
    "/server/sessions/",
    "/domains/",
)


def logged_in_by_keys(page: Page, root: str, person: Account) -> None:
    page.goto(f"{root}/login/")
    tab_to(page, page.locator("[name=username]"))
    page.keyboard.type(person.address)
    press(page, "Tab")
    page.keyboard.type(PASSWORD)
    with page.expect_navigation():
        page.keyboard.press("Enter")
    page.wait_for_url(f"{root}/")


def follow(page: Page, selector: str) -> None:
    """A link or a button, by Tab and Enter."""
    tab_to(page, page.locator(selector))
    with page.expect_navigation():
        page.keyboard.press("Enter")


def test_user_logs_in_sets_the_autoresponder_and_logs_out(
    live_server: LiveServer, browser: Browser, people: dict[str, Account]
) -> None:
    with visit(browser, live_server.url, people, "", DESK) as visited:
        page = visited.page
        logged_in_by_keys(page, live_server.url, people["pola"])
        follow(page, ".side a[href='/autoresponder/']")
        tab_to(page, page.locator("#id_subject"))
        page.keyboard.type("Away")
        tab_to(page, page.locator("#id_text"))
        page.keyboard.type("Back on Monday.")
        follow(page, "main form button:not(.secondary)")
        saved = Autoresponder.objects.get(account=people["pola"])
        assert (saved.subject, saved.text, saved.is_on) == ("Away", "Back on Monday.", True)
        tab_to(page, page.locator("#id_is_on"))
        press(page, "Space")
        follow(page, "main form button:not(.secondary)")
        saved.refresh_from_db()
        assert not saved.is_on
        tab_to(page, page.locator(".menu summary"))
        press(page, "Enter")
        follow(page, ".menu-box button.wide")
        assert "/login/" in page.url
        visited.goto("/password/")
        assert "/login/" in page.url, "the session is over"


def test_menu_opens_and_closes_and_the_focus_comes_back(
    live_server: LiveServer, browser: Browser, people: dict[str, Account]
) -> None:
    with visit(browser, live_server.url, people, "pola", PHONE) as visited:
        page = visited.page
        visited.goto("/")
        summary, box = page.locator(".menu summary"), page.locator(".menu-box")
        tab_to(page, summary)
        for key in ("Enter", "Space"):
            press(page, key)
            assert box.is_visible()
            press(page, "Tab")
            assert page.evaluate("!!document.activeElement.closest('.menu-box')"), "the menu comes next"
            press(page, "Escape")
            assert not box.is_visible()
            assert is_focused(summary)
        press(page, "Enter")
        for _stop in range(20):
            press(page, "Tab")
            if not page.evaluate("!!document.activeElement.closest('.menu')"):
                break
        assert not box.is_visible(), "a menu that was left covers nothing"


def test_skip_link_leads_past_the_sections(
    live_server: LiveServer, browser: Browser, people: dict[str, Account]
) -> None:
    with visit(browser, live_server.url, people, "pola", DESK) as visited:
        page = visited.page
        visited.goto("/forwarding/")
        press(page, "Tab")
        assert is_focused(page.locator(".skip"))
        press(page, "Enter")
        press(page, "Tab")
        assert page.evaluate("!!document.activeElement.closest('main')")


def test_focus_stays_while_the_trace_is_followed_live(
    live_server: LiveServer, browser: Browser, people: dict[str, Account]
) -> None:
    """The list is put there anew every two seconds."""
    with visit(browser, live_server.url, people, "pola", DESK) as visited:
        page = visited.page
        visited.goto("/trace/?live=1")
        row = page.locator("#trace td.first a").first
        tab_to(page, row)
        page.evaluate("document.activeElement.dataset.before = 'yes'")
        page.wait_for_selector("[data-before]", state="detached")
        assert is_focused(row)


@pytest.mark.parametrize("look", [DESK, PHONE], ids=str)
def test_dialogue_takes_the_focus_and_gives_it_back(
    live_server: LiveServer, browser: Browser, people: dict[str, Account], look: Look
) -> None:
    alias = Alias.objects.get()
    with visit(browser, live_server.url, people, "pola", look) as visited:
        page = visited.page
        visited.goto(f"/domain/{alias.domain.name}/aliases/{alias.pk}/")
        opener = page.locator("a[data-dialog]")
        for way_out in ("Escape", "button"):
            tab_to(page, opener)
            page.keyboard.press("Enter")
            page.wait_for_selector("dialog[open]")
            assert page.evaluate(IN_DIALOG)
            for _stop in range(8):
                press(page, "Tab")
                assert page.evaluate(IN_DIALOG), "what lies behind is out of reach"
            if way_out == "Escape":
                press(page, "Escape")
            else:
                tab_to(page, page.locator("dialog [data-close]"))
                press(page, "Enter")
            page.wait_for_selector("dialog", state="detached")
            assert is_focused(opener), way_out
        page.keyboard.press("Enter")
        page.wait_for_selector("dialog[open]")
        follow(page, "dialog form button")
        assert not Alias.objects.exists()


@pytest.mark.parametrize("look", [DESK, PHONE], ids=str)
def test_focus_is_seen_at_every_stop_of_a_users_pages(
    live_server: LiveServer, browser: Browser, people: dict[str, Account], look: Look
) -> None:
    with visit(browser, live_server.url, people, "pola", look) as visited:
        for path in OWN_PAGES:
            visited.goto(path)
            assert len(list(stops(visited.page))) > 10, path


@pytest.mark.parametrize("look", [DESK, PHONE], ids=str)
def test_focus_is_seen_at_every_stop_of_a_postmasters_pages(
    live_server: LiveServer, browser: Browser, people: dict[str, Account], look: Look
) -> None:
    domain, ola = people["pola"].domain, people["ola"]
    assert domain is not None
    pages = ("", "accounts/", f"accounts/{ola.pk}/", f"accounts/{ola.pk}/check/", "aliases/", "trace/")
    with visit(browser, live_server.url, people, "pola", look) as visited:
        for page in pages:
            visited.goto(f"/domain/{domain.name}/{page}")
            assert len(list(stops(visited.page))) > 10, page


def test_focus_is_seen_at_every_stop_of_the_superadmins_pages(
    live_server: LiveServer, browser: Browser, people: dict[str, Account]
) -> None:
    with visit(browser, live_server.url, people, "root", PHONE) as visited:
        for path in SERVER_PAGES:
            visited.goto(path)
            assert len(list(stops(visited.page))) > 10, path
