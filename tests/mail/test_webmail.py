"""Roundcube as people use it: our login page in Chromium, then the webmail itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client
from playwright.sync_api import BrowserContext, Page

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account
from antispam.actions import set_protection
from audit.models import AuditEvent
from domains.actions import set_managers
from domains.models import Domain
from provisioning.render.clamav import EICAR
from provisioning.tasks import node_sweep
from tests.conftest import PASSWORD
from tests.mail.instance import MailInstance, wait_until
from tests.mail.panel import log_in
from tests.mail.wire import Wire, letter

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "logs"])
ROUNDCUBE = "/webmail/roundcube/"
HERE = {"host": "127.0.0.1"}
ARTIFACTS = Path(__file__).resolve().parents[1] / "artifacts"


@pytest.fixture
def wire(plane: MailInstance) -> Wire:
    return Wire(plane.layout)


@pytest.fixture
def ola(firma: Domain, jan: Account, console: Actor, plane: MailInstance) -> Account:
    account = actions.add_account(domain=firma, localpart="ola", password=PASSWORD, by=console)
    plane.apply()
    return account


def open_inbox(page: Page, account: Account) -> None:
    log_in(page, account, "roundcube")
    page.wait_for_url("**/webmail/roundcube/**")
    page.wait_for_selector("#messagelist")


def compose(page: Page, query: str = "") -> None:
    """Begin a letter. Roundcube keeps it in the session, which a request of the list that is still under way
    writes back without it.
    """
    page.wait_for_load_state("networkidle")
    page.goto(f"{ROUNDCUBE}?_task=mail&_action=compose{query}")
    page.wait_for_selector("#composebody")


def press(page: Page, command: str) -> None:
    """Choose the first message, then a button of the toolbar once Roundcube shows the message: it does so a
    moment after the choice, and a button that is pressed while it loads does nothing.
    """
    page.wait_for_selector("#messagelist tbody tr")
    page.wait_for_function("window.rcmail && rcmail.message_list && !rcmail.busy")
    page.click("#messagelist td.subject a")
    page.frame_locator("#messagecontframe").locator("#messagebody").wait_for()
    page.wait_for_function(f"!rcmail.busy && rcmail.commands['{command}']")
    page.click(f"#toolbar-menu a[onclick*='{command}']")


def test_a_message_is_read_and_answered_in_roundcube(
    wire: Wire, jan: Account, ola: Account, visitor: BrowserContext
) -> None:
    wire.deliver(jan.address, text=letter("Zebranie w środę", headers=[f"Reply-To: {ola.address}"]))
    page = visitor.new_page()
    open_inbox(page, jan)
    page.get_by_text("Zebranie w środę").wait_for()
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTIFACTS / "roundcube-inbox.png")

    compose(page, "&_reply_uid=1&_mbox=INBOX")
    page.fill("#composebody", "Będę na pewno")
    page.click("button.send")
    wait_until(lambda: wire.subjects(ola.address, PASSWORD) == ["Re: Zebranie w środę"], what="the answer")

    (answer,) = wire.messages(ola.address, PASSWORD)
    assert "Będę na pewno" in answer.get_content()
    assert answer["From"] == "Jan Żak <jan@" + jan.address.partition("@")[2] + ">"
    wait_until(lambda: wire.subjects(jan.address, PASSWORD, "Sent") == ["Re: Zebranie w środę"])


def test_AVS_08_what_the_outgoing_scan_finds_is_told_in_roundcube_and_stays_there(
    wire: Wire, plane: MailInstance, console: Actor, jan: Account, ola: Account, visitor: BrowserContext
) -> None:
    set_protection("outgoing-viruses", is_on=True, by=console)
    plane.apply()
    try:
        page = visitor.new_page()
        open_inbox(page, jan)
        compose(page, f"&_to={ola.address}")
        page.fill("#compose-subject", "Prezent")
        page.fill("#composebody", EICAR)
        page.click("button.send")
        page.get_by_text("holds a virus").wait_for()
    finally:
        set_protection("outgoing-viruses", is_on=False, by=console)
        plane.apply()
    assert page.input_value("#composebody").strip() == EICAR
    page.click("button.send")
    wait_until(lambda: wire.subjects(ola.address, PASSWORD) == ["Prezent"], what="the scan is off again")


def test_a_filter_made_in_roundcube_sorts_the_mail_and_leaves_the_panels_rules_alone(
    wire: Wire, plane: MailInstance, jan: Account, ola: Account, visitor: BrowserContext
) -> None:
    by = Actor(real=jan, channel="panel")
    rule = actions.RuleSettings(
        name="Faktury",
        joined="all",
        conditions=[actions.Condition("subject", "contains", "faktura")],
        folder="Faktury",
    )
    actions.add_filter(jan, rule, by=by)
    plane.apply()
    page = visitor.new_page()
    open_inbox(page, jan)

    page.goto(f"{ROUNDCUBE}?_task=settings&_action=plugin.managesieve-action&_framed=1&_nav=hide")
    page.fill("[name=_name]", "Oferty")
    page.select_option("[name='_header[0]']", "subject")
    page.fill("[name='_rule_target[0][]']", "oferta")
    page.select_option("[name='_action_type[0]']", "fileinto")
    page.select_option("[name='_action_mailbox[0]']", "Trash")
    with page.expect_request(lambda request: "managesieve-save" in (request.post_data or "")):
        page.click("button.submit")
    wait_until(lambda: _delivered_to(wire, jan, "oferta dnia", "Trash"), what="the webmail's filter")

    wire.deliver(jan.address, text=letter("faktura 7"))
    wait_until(lambda: wire.subjects(jan.address, PASSWORD, "Faktury") == ["faktura 7"])


def _delivered_to(wire: Wire, account: Account, subject: str, folder: str) -> bool:
    """Each try is a message: the script is there a moment after the click."""
    wire.deliver(account.address, text=letter(subject))
    return subject in wire.subjects(account.address, PASSWORD, folder)


def test_the_spam_button_puts_a_message_into_the_folder_that_teaches(
    wire: Wire, jan: Account, ola: Account, visitor: BrowserContext
) -> None:
    wire.deliver(jan.address, text=letter("Wygraj telefon"))
    page = visitor.new_page()
    open_inbox(page, jan)
    press(page, "plugin.markasjunk.junk")
    wait_until(lambda: wire.subjects(jan.address, PASSWORD, "Naucz spam") == ["Wygraj telefon"])

    page.goto(f"{ROUNDCUBE}?_task=mail&_mbox=Naucz+spam")
    press(page, "plugin.markasjunk.not_junk")
    wait_until(lambda: wire.subjects(jan.address, PASSWORD, "Oducz spam") == ["Wygraj telefon"])


def test_the_choice_is_remembered_and_a_wrong_password_is_told_in_words(
    plane: MailInstance, jan: Account, visitor: BrowserContext
) -> None:
    plane.apply()
    page = visitor.new_page()
    log_in(page, jan, "roundcube", password="nie-to-haslo")
    page.wait_for_selector(".note.error")
    assert "nie pasują" in page.inner_text(".note.error")
    assert page.is_checked("[name=door][value=roundcube]")

    page.fill("[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_selector("#messagelist")
    page.goto("/login/")
    assert page.is_checked("[name=door][value=roundcube]")
    log_in(page, jan, "panel")
    page.wait_for_url("**:*/")
    visitor.clear_cookies(name="sessionid")
    page.goto("/login/")
    assert page.is_checked("[name=door][value=panel]")


def test_roundcubes_own_login_leads_to_ours_and_its_logout_too(
    plane: MailInstance, jan: Account, visitor: BrowserContext
) -> None:
    plane.apply()
    page = visitor.new_page()
    page.goto(f"{ROUNDCUBE}?_task=login")
    assert "/login/?webmail=roundcube" in page.url
    assert page.is_checked("[name=door][value=roundcube]")
    answer = page.request.post(
        ROUNDCUBE,
        form={"_task": "login", "_action": "login", "_user": jan.address, "_pass": PASSWORD},
        max_redirects=0,
    )
    assert answer.headers["location"] == "/login/?webmail=roundcube"

    open_inbox(page, jan)
    page.wait_for_function("window.rcmail && !rcmail.busy && rcmail.commands.logout")
    page.click("a.logout")
    page.wait_for_url("**/login/?webmail=roundcube")


def test_too_many_wrong_passwords_lock_this_address_out_and_nobody_else(
    plane: MailInstance, jan: Account, ola: Account, visitor: BrowserContext
) -> None:
    typed = {"username": jan.address, "password": "nie-to-haslo", "door": "roundcube"}
    for _number in range(settings.AXES_FAILURE_LIMIT):
        Client().post("/login/", typed, secure=True, headers={"host": "127.0.0.1"})
    page = visitor.new_page()
    log_in(page, jan, "roundcube")
    page.get_by_role("heading", name="Zbyt wiele prób").wait_for()
    assert "/webmail/" not in page.url

    # From the same address of the network and the same webmail host.
    open_inbox(page, ola)


def test_one_click_leads_from_the_panel_into_the_webmail(
    wire: Wire, plane: MailInstance, jan: Account, visitor: BrowserContext
) -> None:
    plane.apply()
    page = visitor.new_page()
    log_in(page, jan, "panel")
    page.wait_for_url("**:*/")
    addresses: list[str] = []
    page.on("request", lambda request: addresses.append(f"{request.url} {request.headers}"))
    page.click("button[name=webmail][value=roundcube]")
    page.wait_for_selector("#messagelist")
    page.screenshot(path=ARTIFACTS / "roundcube-by-one-click.png")

    compose(page)
    page.fill("#_to", jan.address)
    page.fill("#compose-subject", "Do siebie")
    page.fill("#composebody", "przez token")
    page.click("button.send")
    wait_until(lambda: wire.subjects(jan.address, PASSWORD) == ["Do siebie"], what="the sent message")
    # Tokens begin so.
    assert [address for address in addresses if "eyJ" in address] == []
    logs = [
        path for path in (*plane.layout.node_log.iterdir(), *plane.layout.log.iterdir()) if path.is_file()
    ]
    assert [path.name for path in logs if b"eyJ" in path.read_bytes()] == []


def test_PWD_08_a_changed_password_ends_what_a_thief_has_open(
    plane: MailInstance, jan: Account, visitor: BrowserContext
) -> None:
    """The webmail and the panel that were left open with the old password lead nowhere; and the old password
    is no proof any more, not even in the browser that changed it.
    """
    plane.apply()
    thief = visitor.new_page()
    open_inbox(thief, jan)
    log_in(thief, jan, "panel")
    thief.wait_for_url("**:*/")
    owner = Client()
    owner.post("/login/", {"username": jan.address, "password": PASSWORD}, secure=True, headers=HERE)
    new = "Calkiem-Nowe-9"
    assert changed(owner, PASSWORD, new) == 302
    plane.apply()
    node_sweep()
    failures = plane.log("dovecot.log").count("Password mismatch")
    thief.goto(f"{ROUNDCUBE}?_task=mail&_mbox=INBOX")
    thief.wait_for_selector("[name=username]")
    assert "/webmail/" not in thief.url
    thief.goto("/password/")
    assert "/login/" in thief.url
    # It does not knock on and on.
    assert plane.log("dovecot.log").count("Password mismatch") <= failures + 1
    assert changed(owner, PASSWORD, "Zlodziejskie-7") == 200
    assert changed(owner, new, "Jeszcze-Inne-8") == 302


def changed(client: Client, current: str, new: str) -> int:
    typed = {"current": current, "password": new, "repeated": new}
    return client.post("/password/", typed, secure=True, headers=HERE).status_code


def test_acting_for_somebody_opens_their_webmail_only_with_writing_and_until_the_end(
    wire: Wire, plane: MailInstance, firma: Domain, jan: Account, console: Actor, visitor: BrowserContext
) -> None:
    pola = actions.add_account(domain=firma, localpart="pola", password=PASSWORD, by=console)
    set_managers(firma, addresses=[pola.address], by=console)
    plane.apply()
    page = visitor.new_page()
    log_in(page, pola, "panel")
    page.wait_for_url("**:*/")
    page.goto(f"/impersonate/{jan.pk}/")
    page.fill("[name=reason]", "Prosił o pomoc")
    page.click("main form button")
    page.wait_for_url("**:*/")
    assert page.query_selector("button[name=webmail]") is None

    page.goto("/impersonation/writing/")
    page.click("main form button")
    page.wait_for_url("**:*/")
    page.click("button[name=webmail][value=roundcube]")
    page.wait_for_selector("#messagelist")
    assert f"user=<{jan.address}>" in plane.log("dovecot.log")
    assert f"act=<{pola.address}>" in plane.log("dovecot.log")
    event = AuditEvent.objects.get(action="webmail.opened")
    assert (event.real, event.acting_as) == (pola.address, jan.address)

    page.goto("/")
    page.click(".acting form button")
    page.wait_for_url("**/accounts/**")
    node_sweep()
    page.goto(f"{ROUNDCUBE}?_task=mail")
    assert "/webmail/" not in page.url
