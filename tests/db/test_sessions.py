"""Where somebody is logged in: seen by the owner and the superadmin, and ended at the next request."""

from __future__ import annotations

from datetime import timedelta

from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts import actions
from accounts.actor import Actor
from accounts.browsing import PanelSession
from accounts.models import Account
from accounts.tasks import forget_old_sessions
from audit.models import AuditEvent
from tests.conftest import PASSWORD
from tests.db.test_panel import logged_in, plain_static
from tests.db.test_second_factor import current_code, turned_on

__all__ = ["plain_static"]
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
EDGE = "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/141.0 Safari/537.36 Edg/141.0"


def browser_of(account: Account, *, agent: str = FIREFOX, address: str = "192.0.2.7") -> Client:
    """Logged in by the form."""
    client = Client(headers={"user-agent": agent, "x-forwarded-for": address})
    client.post("/login/", {"username": account.address, "password": PASSWORD})
    return client


def is_inside(client: Client) -> bool:
    return client.get("/password/").status_code == 200


def test_owner_sees_each_session_with_program_and_address(ala: Account) -> None:
    browser_of(ala)
    client = browser_of(ala, agent=EDGE, address="2001:db8::7")
    text = client.get("/sessions/").content.decode()
    for part in ("Firefox, Linux", "192.0.2.7", "Edge, Windows", "2001:db8::7"):
        assert part in text


def test_revoked_session_ends_at_its_next_request(ala: Account) -> None:
    elsewhere, here = browser_of(ala), browser_of(ala, agent=EDGE)
    session = PanelSession.objects.get(browser=FIREFOX)
    assert here.post(f"/sessions/{session.pk}/revoke/").status_code == 302
    assert not is_inside(elsewhere)
    assert is_inside(here)
    event = AuditEvent.objects.get(action="session.revoked")
    assert (event.target, event.details["name"]) == (ala.address, "Firefox, Linux")


def test_all_others_end_and_this_one_stays(ala: Account, pola: Account) -> None:
    others, here, somebody = [browser_of(ala), browser_of(ala)], browser_of(ala), browser_of(pola)
    here.post("/sessions/end-others/")
    assert [is_inside(client) for client in (*others, here, somebody)] == [False, False, True, True]


def test_nobody_but_the_superadmin_ends_somebody_elses(ala: Account, pola: Account, root: Account) -> None:
    session_of_ala = browser_of(ala)
    pk = PanelSession.objects.get(account=ala).pk
    assert browser_of(pola).post(f"/sessions/{pk}/revoke/").status_code == 404
    assert is_inside(session_of_ala)
    browser_of(root).post(f"/sessions/{pk}/revoke/")
    assert not is_inside(session_of_ala)


def test_superadmin_finds_sessions_by_login_and_by_network_address(
    ala: Account, pola: Account, root: Account
) -> None:
    browser_of(ala)
    browser_of(pola, address="198.51.100.4")
    client = browser_of(root)
    by_login = client.get("/server/sessions/?q=ala@").content.decode()
    by_address = client.get("/server/sessions/?q=198.51").content.decode()
    assert "ala@firma.test" in by_login
    assert "pola@firma.test" not in by_login
    assert "pola@firma.test" in by_address
    assert "ala@firma.test" not in by_address


def test_sessions_that_a_new_password_ended_are_not_listed(ala: Account) -> None:
    browser_of(ala)
    here = browser_of(ala, agent=EDGE)
    new = "Calkiem-Inne-4"
    here.post("/password/", {"current": PASSWORD, "password": new, "repeated": new})
    assert [row.browser for row in PanelSession.objects.alive()] == [EDGE]


def test_logout_takes_the_session_off_the_list(ala: Account) -> None:
    client = browser_of(ala)
    client.post("/logout/")
    assert not PanelSession.objects.exists()


def test_session_of_who_acts_for_somebody_is_the_real_persons(ala: Account, pola: Account) -> None:
    client = browser_of(pola)
    client.post(f"/impersonate/{ala.pk}/", {"reason": "pomoc"})
    assert [row.account for row in PanelSession.objects.all()] == [pola]
    assert client.post("/sessions/end-others/").status_code == 403


def test_busy_page_writes_the_row_once_a_minute(ala: Account) -> None:
    client = browser_of(ala)
    client.get("/mail-programs/")
    seen = PanelSession.objects.get().seen_at
    client.get("/mail-programs/")
    assert PanelSession.objects.get().seen_at == seen


def test_sessions_that_ran_out_are_swept(ala: Account) -> None:
    browser_of(ala)
    Session.objects.update(expire_date=timezone.now() - timedelta(minutes=1))
    assert not PanelSession.objects.alive().exists()
    forget_old_sessions()
    assert not PanelSession.objects.exists()


# The second factor by policy


def test_superadmin_without_second_factor_is_led_to_it_from_everywhere(
    root: Account, settings: Settings
) -> None:
    client = logged_in(root)
    settings.QMAILUX_SECOND_FACTOR_REQUIRED = ["superadmin"]
    for page in ("/server/", "/domains/", "/admin/", "/admin/accounts/account/", "/server/queue/"):
        assert client.get(page).headers.get("Location") == "/second-factor/", page
    assert client.get("/second-factor/").status_code == 200
    assert client.post("/domains/add/", {"name": "nowa.test", "language": "pl"}).status_code == 302
    assert not AuditEvent.objects.filter(target="nowa.test").exists()


def test_once_it_is_set_up_everything_opens(root: Account, settings: Settings) -> None:
    settings.QMAILUX_SECOND_FACTOR_REQUIRED = ["superadmin"]
    client = logged_in(root)
    client.get("/second-factor/")
    answer = client.post("/second-factor/", {"code": current_code(root)})
    assert answer.status_code == 200
    assert client.get("/server/").status_code == 200
    assert client.get("/admin/").status_code == 200


def test_rule_for_postmasters_leaves_users_and_superadmins_alone(
    ala: Account, pola: Account, root: Account, settings: Settings
) -> None:
    settings.QMAILUX_SECOND_FACTOR_REQUIRED = ["postmaster"]
    assert logged_in(pola).get("/domain/firma.test/").headers["Location"] == "/second-factor/"
    assert logged_in(ala).get("/").status_code == 200
    assert logged_in(root).get("/server/").status_code == 200
    # Mail programs will need their own passwords: they can be made before.
    assert logged_in(pola).get("/app-passwords/").status_code == 200


def test_owner_cannot_turn_it_off_while_the_rules_ask_for_it(pola: Account, settings: Settings) -> None:
    turned_on(pola)
    settings.QMAILUX_SECOND_FACTOR_REQUIRED = ["postmaster"]
    client = logged_in(pola)
    assert client.post("/second-factor/off/", {"current": PASSWORD}).status_code == 403
    pola.refresh_from_db()
    assert pola.second_factor_at is not None


def test_superadmin_turns_it_off_for_somebody_who_then_sets_up_a_new_one(
    pola: Account, settings: Settings, console: Actor
) -> None:
    turned_on(pola)
    settings.QMAILUX_SECOND_FACTOR_REQUIRED = ["postmaster"]
    actions.turn_off_second_factor(pola, by=console)
    assert logged_in(pola).get("/domain/firma.test/").headers["Location"] == "/second-factor/"
