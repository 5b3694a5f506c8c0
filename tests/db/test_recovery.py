"""A forgotten password: who may ask for what, and that no answer tells whether an address exists."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_otp.oath import totp
from django_otp.plugins.otp_static.models import StaticDevice

from accounts import actions
from accounts.actions import recovery
from accounts.actor import Actor
from accounts.models import Account, Notice
from accounts.recovering import PasswordReset, RecoveryAddress, RecoveryRequest
from audit.models import AuditEvent
from domains import actions as domain_actions
from domains.models import Domain
from qmailux_site.errors import ActionRefused, NotAllowed
from tests.conftest import PASSWORD
from tests.db.test_panel import logged_in, plain_static

__all__ = ["plain_static"]
NEW = "Calkiem-Inne-4"
ELSEWHERE = "ala@daleko.example"


@pytest.fixture
def owner(ala: Account) -> Actor:
    return Actor(real=ala, channel="panel", address="192.0.2.7")


@pytest.fixture
def confirmed(ala: Account, owner: Actor) -> RecoveryAddress:
    """Ala's recovery address, with the code that the mailing task would have sent."""
    stored = actions.set_recovery_address(ala, address=ELSEWHERE, by=owner)
    recovery.note_confirmation_sent(stored, code="12345678", by=Actor.task())
    return actions.confirm_recovery_address(ala, code="12345678", by=owner)


def page_after(login: str, network: str = "192.0.2.1") -> str:
    client = Client(headers={"accept-language": "en", "x-forwarded-for": network})
    return shown(client.post(reverse("forgotten"), {"address": login}).content, login)


def shown(content: bytes, login: str) -> str:
    """The page without what differs from one to the next anyway."""
    text = re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", content.decode())
    return text.replace(login, "LOGIN")


def link_of(account: Account) -> str:
    secret = recovery.new_link_secret()
    recovery.note_link_sent(account, secret=secret, network_address="", by=Actor.task())
    return secret


def choose(client: Client, password: str = NEW, **more: str) -> int:
    typed = {"password": password, "repeated": password, **more}
    return client.post(reverse("forgotten-password"), typed).status_code


def test_the_answer_is_the_same_for_every_address(ala: Account, confirmed: RecoveryAddress) -> None:
    assert page_after(ala.address) == page_after("nikt@firma.test") == page_after("ktos@nigdzie.example")
    asked = RecoveryRequest.objects.filter(kind="link").order_by("id")
    assert [recovery.wants_link(request) is not None for request in asked] == [True, False, False]


def test_no_link_without_a_confirmed_address_or_where_the_account_is_locked(
    ala: Account, owner: Actor, console: Actor
) -> None:
    stored = actions.set_recovery_address(ala, address=ELSEWHERE, by=owner)
    actions.ask_for_reset(login=ala.address, by=owner)
    asked = RecoveryRequest.objects.get(kind="link")
    assert recovery.wants_link(asked) is None
    recovery.note_confirmation_sent(stored, code="12345678", by=Actor.task())
    actions.confirm_recovery_address(ala, code="1234 5678".replace(" ", ""), by=owner)
    assert recovery.wants_link(asked) == (ala, ELSEWHERE)
    actions.lock_account(ala, by=console)
    assert recovery.wants_link(asked) is None


@pytest.mark.parametrize(
    ("policy", "link", "code"), [("both", 1, 1), ("mail", 1, 0), ("code", 0, 1), ("off", 0, 0)]
)
def test_the_domain_switches_both_ways(
    policy: str,
    link: int,
    code: int,
    ala: Account,
    pola: Account,
    firma: Domain,
    confirmed: RecoveryAddress,
    console: Actor,
) -> None:
    postmaster = Actor(real=pola, channel="panel")
    made = actions.make_recovery_code(ala, by=postmaster)
    secret = link_of(ala)
    actions.ask_for_reset(login=ala.address, by=postmaster)
    domain_actions.edit_domain(firma, settings={"recovery_policy": policy}, by=console)
    asked = RecoveryRequest.objects.get(kind="link")
    assert (recovery.wants_link(asked) is not None) == bool(link)
    assert (recovery.reset_by_link(secret) is not None) == bool(link)
    assert (Client().get(reverse("forgotten-link", args=[secret])).status_code == 302) == bool(link)
    typed = {"address": ala.address, "code": made}
    assert (Client().post(reverse("forgotten-code"), typed).status_code == 302) == bool(code)
    pola.refresh_from_db()
    page = logged_in(pola).get(reverse("account", args=["firma.test", ala.pk])).content.decode()
    assert ("one-time-code" in page) == bool(code)


def test_a_link_works_once_ends_sessions_and_logs_in(ala: Account, confirmed: RecoveryAddress) -> None:
    elsewhere, client = logged_in(ala), Client()
    url = reverse("forgotten-link", args=[link_of(ala)])
    assert client.get(url)["Location"] == reverse("forgotten-password")
    assert Client().get(url).status_code == 302, "a look spends nothing"
    assert choose(client, "krotkie") == 200
    assert choose(client) == 302
    assert client.get(reverse("home")).status_code == 200
    assert elsewhere.get(reverse("home")).status_code == 302
    ala.refresh_from_db()
    assert ala.check_password(NEW)
    assert not ala.must_change_password
    assert Client().get(url).status_code == 410
    event = AuditEvent.objects.get(action="account.password_changed")
    assert (event.real, event.details) == (ala.address, {"way": "link"})
    assert Notice.objects.filter(account=ala, kind=Notice.Kind.PASSWORD).count() == 1


def test_of_two_who_use_one_link_the_second_is_refused(ala: Account) -> None:
    secret = link_of(ala)
    first, second = recovery.reset_by_link(secret), recovery.reset_by_link(secret)
    assert first is not None
    assert second is not None
    by = Actor(real=ala, channel="panel")
    actions.reset_password(first, password=NEW, by=by)
    with pytest.raises(ActionRefused):
        actions.reset_password(second, password="Jeszcze-Inne-5", by=by)
    ala.refresh_from_db()
    assert ala.check_password(NEW)


def test_a_link_runs_out_after_an_hour_and_a_code_after_half_of_one(ala: Account, pola: Account) -> None:
    secret = link_of(ala)
    code = actions.make_recovery_code(ala, by=Actor(real=pola, channel="panel"))
    for way, minutes in (("link", 60), ("code", 30)):
        left = PasswordReset.objects.get(way=way).expires_at - timezone.now()
        assert timedelta(minutes=minutes - 1) < left <= timedelta(minutes=minutes)
    PasswordReset.objects.update(expires_at=timezone.now())
    assert recovery.reset_by_link(secret) is None
    with pytest.raises(ActionRefused):
        actions.reset_by_code(login=ala.address, code=code, by=Actor(real=None, channel="panel"))


def test_a_password_that_was_changed_meanwhile_ends_the_link(ala: Account) -> None:
    secret = link_of(ala)
    actions.change_password(ala, password=NEW, by=Actor(real=ala, channel="panel"))
    assert recovery.reset_by_link(secret) is None


def test_the_second_factor_is_still_needed(ala: Account, owner: Actor) -> None:
    device = actions.begin_second_factor(ala, by=owner)
    spare = actions.turn_on_second_factor(ala, code=f"{totp(device.bin_key):06d}", by=owner)
    client = Client()
    client.get(reverse("forgotten-link", args=[link_of(ala)]))
    assert choose(client) == 200
    assert choose(client, code="000000") == 200
    ala.refresh_from_db()
    assert ala.check_password(PASSWORD)
    # django-otp slows down after a wrong one.
    StaticDevice.objects.update(throttling_failure_count=0, throttling_failure_timestamp=None)
    assert choose(client, code=spare[0]) == 302
    ala.refresh_from_db()
    assert ala.check_password(NEW)


def test_the_postmasters_code_is_shown_once_audited_and_told(ala: Account, pola: Account) -> None:
    pola_page = logged_in(pola)
    made = pola_page.post(reverse("account-recovery-code", args=["firma.test", ala.pk])).content.decode()
    code = made.partition("<code>")[2].partition("</code>")[0]
    assert code not in pola_page.get(reverse("account", args=["firma.test", ala.pk])).content.decode()
    assert not PasswordReset.objects.filter(secret_hash__contains=code).exists()
    assert AuditEvent.objects.get(action="account.recovery_code_made").real == pola.address
    assert Notice.objects.filter(account=ala, kind=Notice.Kind.RECOVERY_CODE).exists()
    client = Client()
    typed = {"address": "ALA@firma.test", "code": f" {code[:4].upper()} {code[4:8]}-{code[8:]} "}
    assert client.post(reverse("forgotten-code"), typed).status_code == 302
    assert choose(client) == 302


def test_wrong_codes_end_the_code_and_say_nothing_of_the_address(ala: Account, pola: Account) -> None:
    code = actions.make_recovery_code(ala, by=Actor(real=pola, channel="panel"))
    answers = set()
    for login in (ala.address, "nikt@firma.test"):
        client = Client(headers={"accept-language": "en"})
        answer = client.post(reverse("forgotten-code"), {"address": login, "code": "zle"})
        answers.add(shown(answer.content, login))
    assert len(answers) == 1
    for _try in range(4):
        Client().post(reverse("forgotten-code"), {"address": ala.address, "code": "zle"})
    assert Client().post(reverse("forgotten-code"), {"address": ala.address, "code": code}).status_code == 200


def test_one_network_cannot_ask_for_ever_and_no_mailbox_is_flooded(
    ala: Account, confirmed: RecoveryAddress
) -> None:
    for number in range(6):
        page_after(ala.address, f"192.0.2.{number}")
    asked = RecoveryRequest.objects.filter(kind="link").order_by("id")
    wanted = [recovery.wants_link(request) is not None for request in asked]
    assert wanted == [True, True, True, False, False, False]
    pages = {page_after(f"x{number}@firma.test", "192.0.2.99") for number in range(20)}
    assert len(pages) == 1
    assert "Too many tries from your network" in page_after("y@firma.test", "192.0.2.99")
    assert "Too many tries" not in page_after("y@firma.test", "192.0.2.98")


def test_a_new_address_counts_when_it_is_confirmed_and_the_owner_is_told(
    ala: Account, owner: Actor, confirmed: RecoveryAddress
) -> None:
    stored = actions.set_recovery_address(ala, address="inny@daleko.example", by=owner)
    assert stored.address == ELSEWHERE
    recovery.note_confirmation_sent(stored, code="87654321", by=Actor.task())
    for wrong in ("12345678", ""):
        with pytest.raises(ActionRefused):
            actions.confirm_recovery_address(ala, code=wrong, by=owner)
    secret = link_of(ala)
    assert actions.confirm_recovery_address(ala, code="87654321", by=owner).address == "inny@daleko.example"
    assert recovery.reset_by_link(secret) is None, "it went to the address before"
    told = Notice.objects.filter(account=ala, kind=Notice.Kind.RECOVERY_ADDRESS)
    assert [notice.detail for notice in told] == [ELSEWHERE, "inny@daleko.example"]
    actions.remove_recovery_address(ala, by=owner)
    assert Notice.objects.filter(account=ala, kind=Notice.Kind.RECOVERY_ADDRESS_GONE).count() == 1


def test_codes_for_an_address_elsewhere_cannot_be_guessed_or_sent_for_ever(
    ala: Account, owner: Actor
) -> None:
    stored = actions.set_recovery_address(ala, address=ELSEWHERE, by=owner)
    recovery.note_confirmation_sent(stored, code="12345678", by=Actor.task())
    for _try in range(5):
        with pytest.raises(ActionRefused):
            actions.confirm_recovery_address(ala, code="00000000", by=owner)
    with pytest.raises(ActionRefused):
        actions.confirm_recovery_address(ala, code="12345678", by=owner)
    for _try in range(4):
        actions.set_recovery_address(ala, address=ELSEWHERE, by=owner)
    with pytest.raises(ActionRefused, match="Too many"):
        actions.set_recovery_address(ala, address=ELSEWHERE, by=owner)


@pytest.mark.parametrize("address", ["ala@firma.test", "ALA+x@firma.test", "biuro@firma.test"])
def test_an_address_that_leads_into_the_mailbox_is_refused(
    address: str, ala: Account, firma: Domain, owner: Actor, console: Actor
) -> None:
    actions.add_alias(domain=firma, localpart="biuro", targets=[ala.address], by=console)
    with pytest.raises(ActionRefused):
        actions.set_recovery_address(ala, address=address, by=owner)


def test_only_the_owner_sets_the_address_and_only_the_postmaster_makes_codes(
    ala: Account, pola: Account, obcy: Account, owner: Actor
) -> None:
    for person in (pola, obcy):
        with pytest.raises(NotAllowed):
            actions.set_recovery_address(ala, address=ELSEWHERE, by=Actor(real=person, channel="panel"))
    for actor in (owner, Actor(real=obcy, channel="panel"), Actor(real=pola, channel="panel", acting_as=ala)):
        with pytest.raises(NotAllowed):
            actions.make_recovery_code(ala, by=actor)


def test_the_page_asks_for_the_password_and_shows_what_waits(ala: Account) -> None:
    client = logged_in(ala)
    url = reverse("recovery")
    assert client.post(url, {"address": ELSEWHERE, "current": "zle"}).status_code == 200
    assert not RecoveryAddress.objects.exists()
    assert client.post(url, {"address": ELSEWHERE, "current": PASSWORD}).status_code == 302
    assert ELSEWHERE in client.get(url).content.decode()
    stored = RecoveryAddress.objects.get()
    recovery.note_confirmation_sent(stored, code="12345678", by=Actor.task())
    assert client.post(reverse("recovery-confirm"), {"code": "1234 5678"}).status_code == 302
    assert client.post(reverse("recovery-remove"), {"remove-current": "zle"}).status_code == 200
    assert client.post(reverse("recovery-remove"), {"remove-current": PASSWORD}).status_code == 302
    assert not RecoveryAddress.objects.exists()
