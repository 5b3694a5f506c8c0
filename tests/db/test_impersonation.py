"""Acting for somebody else (PRM-05): exactly their rights, both names in the audit, and a way back."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.html import escape
from django_otp.oath import totp
from django_otp.plugins.otp_totp.models import TOTPDevice

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account, Forwarding, Notice
from accounts.notices import letter_of
from audit.models import AuditEvent
from domains import actions as domain_actions
from domains import dkim_actions
from domains.models import Domain
from enforcement.actions import stop_sending
from qmailux_site.errors import NotAllowed
from tests.conftest import PASSWORD
from tests.db.test_panel import logged_in, plain_static
from tests.structure.test_permissions import (
    EXPECTED,
    RULE,
    TRACE_ENTRIES,
    name_in,
    own_patterns,
    traced,
)

pytestmark = pytest.mark.django_db(databases=["default", "logs"])

__all__ = ["plain_static"]
REASON = "Pomoc z przekierowaniem"
CLOSED = ("password", "second-factor", "app-passwords")


def enter(client: Client, account: Account) -> None:
    answer = client.post(reverse("impersonate", args=[account.pk]), {"reason": REASON})
    assert answer.status_code == 302, answer.content.decode()


@pytest.fixture
def inside(pola: Account, ala: Account) -> Client:
    """Pola's browser, in which she acts for Ala."""
    client = logged_in(pola)
    enter(client, ala)
    return client


@pytest.fixture(autouse=True)
def english_people(request: pytest.FixtureRequest) -> None:
    """Pages speak the language of who looks."""
    for name in ("pola", "ala", "root", "obcy"):
        if name in request.fixturenames:
            person = request.getfixturevalue(name)
            Account.objects.filter(pk=person.pk).update(language="en")
            person.refresh_from_db()


def acts(account: Account) -> list[tuple[str, str, str]]:
    """Oldest first: the real person, on whose behalf, what."""
    events = AuditEvent.objects.filter(target=account.address, action__contains="impersonation")
    return list(events.order_by("id").values_list("real", "acting_as", "action"))


def test_PRM_05_banner_names_both_and_the_way_back(inside: Client) -> None:
    page = inside.get("/").content.decode()
    assert "pola@firma.test, you act for ala@firma.test." in page
    assert REASON in page
    assert "30 minutes left" in page
    assert reverse("impersonation-end") in page


def test_PRM_05_looking_only_until_writing_is_confirmed(inside: Client, ala: Account) -> None:
    form = {"targets": "ala@daleko.test", "keeps_copy": "on"}
    assert inside.post("/forwarding/", form).status_code == 403
    assert not Forwarding.objects.exists()
    assert inside.get("/impersonation/writing/").status_code == 200
    assert inside.post("/forwarding/", form).status_code == 403, "looking at the question is no answer"
    assert inside.post("/impersonation/writing/").status_code == 302
    assert inside.post("/forwarding/", form).status_code == 302
    event = AuditEvent.objects.get(action="account.forwarding_set")
    assert (event.real, event.role, event.acting_as) == ("pola@firma.test", "postmaster", "ala@firma.test")


def test_actions_refuse_to_write_while_looking_only(pola: Account, ala: Account) -> None:
    looking = Actor(real=pola, channel="panel", acting_as=ala, writes_allowed=False)
    with pytest.raises(NotAllowed):
        actions.set_forwarding(ala, targets=["x@daleko.test"], keeps_copy=True, by=looking)


@pytest.mark.parametrize("page", CLOSED)
def test_PRM_05_what_opens_the_account_is_closed(page: str, inside: Client, ala: Account) -> None:
    inside.post("/impersonation/writing/")
    typed = {"current": PASSWORD, "password": "Calkiem-Inne-4", "repeated": "Calkiem-Inne-4", "name": "x"}
    for answer in (inside.get(reverse(page)), inside.post(reverse(page), typed)):
        assert answer.status_code == 403
        assert "not changed on behalf of somebody else" in answer.content.decode()
    assert f'href="{reverse(page)}"' not in inside.get("/activity/").content.decode()
    ala.refresh_from_db()
    assert ala.check_password(PASSWORD)


@pytest.mark.parametrize(
    "change",
    [
        lambda ala, by: actions.change_password(ala, password="Calkiem-Inne-4", by=by),
        lambda ala, by: actions.begin_second_factor(ala, by=by),
        lambda ala, by: actions.turn_on_second_factor(ala, code="000000", by=by),
        lambda ala, by: actions.turn_off_second_factor(ala, by=by),
        lambda ala, by: actions.add_app_password(ala, name="x", by=by),
    ],
)
def test_PRM_05_actions_too_keep_closed_what_opens_the_account(
    change: Callable[[Account, Actor], object], pola: Account, ala: Account
) -> None:
    with pytest.raises(NotAllowed, match="on behalf of somebody else"):
        change(ala, Actor(real=pola, channel="panel", acting_as=ala))
    assert not TOTPDevice.objects.filter(user=ala).exists()


def test_PRM_05_exactly_the_rights_of_the_person_inside(
    firma: Domain, ala: Account, pola: Account, root: Account, console: Actor
) -> None:
    alias = actions.add_alias(domain=firma, localpart="biuro", targets=[ala.address], by=console)
    rule = actions.add_filter(ala, RULE, by=console)
    pks = {
        "alias": alias.pk,
        "dkim": dkim_actions.add_key(firma, by=console).pk,
        "filter": rule.pk,
        "incident": stop_sending(ala, reason="Podejrzana poczta", by=console).pk,
        **dict.fromkeys(TRACE_ENTRIES, traced(ala).pk),
    }
    for column, (real, person) in enumerate(((pola, ala), (root, pola)), start=1):
        client = logged_in(real)
        enter(client, person)
        seen = 0
        for pattern in own_patterns():
            name = str(pattern.name)
            values = {"name": name_in(name), "pk": pks.get(name, pks.get(name.partition("-")[0], ala.pk))}
            if (
                name.startswith("imperson")
                or name == "authority"
                or set(pattern.pattern.converters) - set(values)
            ):
                continue
            path = reverse(name, kwargs={key: values[key] for key in pattern.pattern.converters})
            got, theirs = client.get(path).status_code, EXPECTED[name][column]
            seen += got == 200
            assert got in (theirs, 403), f"{real} as {person}: {name}"
        assert seen > 5


def test_PRM_05_no_acting_from_within_acting(root: Account, pola: Account, ala: Account) -> None:
    client = logged_in(root)
    enter(client, pola)
    client.post("/impersonation/writing/")
    assert client.post(reverse("impersonate", args=[ala.pk]), {"reason": REASON}).status_code == 403
    assert "you act for pola@firma.test" in client.get("/activity/").content.decode()
    assert client.get("/admin/").status_code == 302
    assert client.get("/server/").status_code == 403


def test_PRM_01_nobody_acts_for_somebody_with_more_rights(
    firma: Domain, obca: Domain, pola: Account, obcy: Account, root: Account, ala: Account, console: Actor
) -> None:
    chief = actions.add_account(domain=firma, localpart="szef", password=PASSWORD, by=console)
    Account.objects.filter(pk=chief.pk).update(is_superuser=True)
    other = actions.add_account(domain=firma, localpart="inny", password=PASSWORD, by=console)
    domain_actions.set_managers(obca, addresses=[obcy.address, other.address], by=console)
    tries = [
        (pola, chief, 403),
        (pola, other, 403),
        (pola, pola, 403),
        (pola, root, 404),
        (obcy, ala, 404),
        (ala, pola, 404),
        (ala, ala, 403),
        (root, chief, 403),
        (root, root, 403),
    ]
    for person, account, status in tries:
        answer = logged_in(person).post(reverse("impersonate", args=[account.pk]), {"reason": REASON})
        assert answer.status_code == status, (person, account)
    assert not AuditEvent.objects.filter(action="impersonation.started").exists()


def test_reason_is_required(pola: Account, ala: Account) -> None:
    client = logged_in(pola)
    for reason in ("", "   ", "\n"):
        assert client.post(reverse("impersonate", args=[ala.pk]), {"reason": reason}).status_code == 200
    assert client.get(reverse("account", args=["firma.test", ala.pk])).status_code == 200
    assert acts(ala) == []


@pytest.fixture
def strict(pola: Account) -> Client:
    """Pola's browser, whose forms need their token."""
    client = Client(enforce_csrf_checks=True, headers={"accept-language": "en"})
    client.force_login(pola, backend="accounts.backends.AddressBackend")
    return client


def post(client: Client, page: str, *args: object, token: str = "", **typed: str) -> int:
    token = token or client.cookies["csrftoken"].value
    return client.post(reverse(page, args=args), {**typed, "csrfmiddlewaretoken": token}).status_code


def test_PRM_07_start_and_end_only_by_post_with_a_token(strict: Client, ala: Account) -> None:
    path = reverse("impersonate", args=[ala.pk])
    assert strict.post(path, {"reason": REASON}).status_code == 403
    strict.get(path, {"reason": REASON})
    assert acts(ala) == []
    assert post(strict, "impersonate", ala.pk, reason=REASON) == 302
    assert strict.get(reverse("impersonation-end")).status_code == 405
    for changing in ("impersonation-writing", "impersonation-end", "logout"):
        assert strict.post(reverse(changing)).status_code == 403, changing
    page = strict.get("/").content.decode()
    assert "you act for" in page
    assert "You are looking only." in page


def test_PRM_05_session_and_form_tokens_change_with_the_person(strict: Client, ala: Account) -> None:
    """A form that is open in another tab would else be sent in the name of the other person."""
    form = {"targets": "x@daleko.test"}
    strict.get(reverse("impersonate", args=[ala.pk]))
    own_session, own = strict.session.session_key, strict.cookies["csrftoken"].value
    assert post(strict, "impersonate", ala.pk, reason=REASON) == 302
    inner_session, inner = strict.session.session_key, strict.cookies["csrftoken"].value
    assert post(strict, "impersonation-writing") == 302
    assert post(strict, "forwarding", token=own, **form) == 403
    assert post(strict, "impersonation-end") == 302
    assert post(strict, "forwarding", token=inner, **form) == 403
    assert len({own_session, inner_session, strict.session.session_key}) == 3
    assert not Forwarding.objects.exists()
    assert post(strict, "forwarding", **form) == 302, "the token of now is good"


def test_PRM_05_one_click_back_to_the_own_name(inside: Client, ala: Account) -> None:
    answer = inside.post(reverse("impersonation-end"))
    assert answer["Location"] == reverse("account", args=["firma.test", ala.pk])
    page = inside.get("/").content.decode()
    assert "you act for" not in page
    assert "pola@firma.test" in page
    assert acts(ala) == [
        ("pola@firma.test", "", "impersonation.started"),
        ("pola@firma.test", "", "impersonation.ended"),
    ]


def test_way_back_asks_for_the_second_factor(pola: Account, ala: Account) -> None:
    owner = Actor(real=pola, channel="panel")
    device = actions.begin_second_factor(pola, by=owner)
    actions.turn_on_second_factor(pola, code=f"{totp(device.bin_key):06}", by=owner)
    client = logged_in(pola)
    enter(client, ala)
    assert client.post(reverse("impersonation-end"))["Location"] == reverse("login-code")
    assert client.get(reverse("domain", args=["firma.test"])).status_code == 302, "nobody is logged in"
    assert client.post(reverse("login-code"), {"code": "000000"}).status_code == 200
    TOTPDevice.objects.filter(user=pola).update(last_t=-1, throttling_failure_count=0)
    answer = client.post(reverse("login-code"), {"code": f"{totp(device.bin_key):06}"})
    assert answer["Location"] == reverse("account", args=["firma.test", ala.pk])
    assert client.get(answer["Location"]).status_code == 200


def expire(client: Client) -> None:
    session = client.session
    session["acting_for"] = {**session["acting_for"], "until": time.time() - 1}
    session.save()


def test_ends_after_half_an_hour_and_carries_nothing_out(inside: Client) -> None:
    until = inside.session["acting_for"]["until"]
    assert 1790 < until - time.time() <= 1800
    inside.post("/impersonation/writing/")
    assert inside.session["acting_for"]["until"] == until, "writing is no new half hour"
    expire(inside)
    assert inside.post("/forwarding/", {"targets": "x@daleko.test"}).status_code == 302
    assert not Forwarding.objects.exists()
    assert "you act for" not in inside.get("/").content.decode()
    assert AuditEvent.objects.get(action="impersonation.ended").details == {"reason": "time"}


def test_fragment_after_the_end_takes_the_whole_page_along(inside: Client) -> None:
    expire(inside)
    answer = inside.get("/password/life/", headers={"HX-Request": "true"})
    assert (answer.status_code, "HX-Redirect" in answer) == (204, True)


@pytest.mark.parametrize("event", ["real locked", "demoted", "account locked", "account deleted", "policy"])
def test_PRM_05_ends_when_it_is_no_longer_allowed(
    event: str, inside: Client, firma: Domain, pola: Account, ala: Account, console: Actor
) -> None:
    if event == "real locked":
        actions.lock_account(pola, by=console)
    elif event == "demoted":
        domain_actions.set_managers(firma, addresses=[], by=console)
    elif event == "account locked":
        actions.lock_account(ala, by=console)
    elif event == "account deleted":
        actions.delete_account(ala, by=console)
    else:
        domain_actions.edit_domain(firma, settings={"impersonation_policy": "off"}, by=console)
    assert inside.get("/").status_code == 302
    assert acts(ala)[-1][2] == "impersonation.ended"
    if event == "real locked":
        actions.unlock_account(pola, by=console)
    page = inside.get("/").content.decode()
    assert "My account" in page
    assert "you act for" not in page


def test_password_of_the_real_person_ends_it(inside: Client, pola: Account, console: Actor) -> None:
    actions.change_password(pola, password="Calkiem-Inne-4", by=console)
    assert inside.get("/")["Location"].startswith("/login/")


def test_logout_while_acting_is_out_altogether(inside: Client, ala: Account) -> None:
    inside.post("/logout/")
    assert inside.get("/").status_code == 302
    assert acts(ala)[-1] == ("pola@firma.test", "", "impersonation.ended")


def test_owner_sees_it_in_the_own_activity(inside: Client, ala: Account) -> None:
    page = logged_in(ala).get("/activity/").content.decode()
    assert "Acting for somebody started" in page
    assert "pola@firma.test" in page
    assert REASON in page


@pytest.mark.parametrize(
    ("policy", "letters", "status"), [("allowed", 0, 302), ("notice", 1, 302), ("off", 0, 409)]
)
def test_policy_of_the_domain(
    policy: str, letters: int, status: int, firma: Domain, pola: Account, ala: Account, console: Actor
) -> None:
    domain_actions.edit_domain(firma, settings={"impersonation_policy": policy}, by=console)
    answer = logged_in(pola).post(reverse("impersonate", args=[ala.pk]), {"reason": REASON})
    assert answer.status_code == status
    told = Notice.objects.filter(account=ala, kind=Notice.Kind.IMPERSONATION)
    assert [(notice.detail, notice.reason) for notice in told] == [("pola@firma.test", REASON)] * letters


def test_postmaster_cannot_set_the_policy(firma: Domain, pola: Account) -> None:
    with pytest.raises(NotAllowed):
        domain_actions.edit_domain(
            firma, settings={"impersonation_policy": "off"}, by=Actor(real=pola, channel="panel")
        )


def test_language_chosen_while_acting_is_the_real_persons(
    inside: Client, pola: Account, ala: Account
) -> None:
    inside.post("/language/", {"language": "pl"})
    pola.refresh_from_db()
    ala.refresh_from_db()
    assert (pola.language, ala.language) == ("pl", "en")


def test_account_that_must_choose_a_password_can_be_looked_at(pola: Account, ala: Account) -> None:
    Account.objects.filter(pk=ala.pk).update(must_change_password=True)
    client = logged_in(pola)
    enter(client, ala)
    assert client.get("/").status_code == 200


def test_PRM_09_signs_of_templates_in_the_reason_mean_themselves(pola: Account, ala: Account) -> None:
    reason = "{{7*7}} {% include 'x' %} ${7*7} %(asctime)s %u $(id) @@x@@"
    client = logged_in(pola)
    client.post(reverse("impersonate", args=[ala.pk]), {"reason": reason})
    assert escape(reason) in client.get("/").content.decode()
    assert escape(reason) in logged_in(ala).get("/activity/").content.decode()
    notice = Notice.objects.get(account=ala, kind=Notice.Kind.IMPERSONATION)
    assert f"Reason: {reason}" in letter_of(notice).get_content()


def test_PRM_06_script_in_the_reason_is_text(pola: Account, ala: Account) -> None:
    client = logged_in(pola)
    client.post(reverse("impersonate", args=[ala.pk]), {"reason": "<script>alert(1)</script>"})
    for page in (client.get("/"), logged_in(ala).get("/activity/")):
        assert "<script>alert" not in page.content.decode()
        assert "&lt;script&gt;alert" in page.content.decode()
