"""Filters as the panel sets them, looked at in the mailbox."""

from __future__ import annotations

import pytest

from accounts import actions
from accounts.actor import Actor
from accounts.filtering import FilterRule
from accounts.models import Account
from domains.models import Domain
from provisioning.tasks import node_sweep, node_try_filters
from tests.conftest import PASSWORD
from tests.db.test_panel import logged_in, plain_static
from tests.mail.instance import MailInstance, wait_until
from tests.mail.wire import Wire, letter
from tests.unit.test_case_files import FILES

__all__ = ["plain_static"]

Row = tuple[str, str, str]


@pytest.fixture
def wire(plane: MailInstance) -> Wire:
    return Wire(plane.layout)


@pytest.fixture
def ola(firma: Domain, console: Actor) -> Account:
    return actions.add_account(domain=firma, localpart="ola", password=PASSWORD, by=console)


def typed(*rows: Row, **settings: str) -> dict[str, str]:
    """As the browser sends the form, its empty rows included."""
    filled = [*rows, *[("subject", "contains", "")] * 2]
    form = {"name": "Reguła", "joined": "all", "conditions-INITIAL_FORMS": "0"} | settings
    form["conditions-TOTAL_FORMS"] = str(len(filled))
    for number, (part, comparison, value) in enumerate(filled):
        form[f"conditions-{number}-part"] = part
        form[f"conditions-{number}-comparison"] = comparison
        form[f"conditions-{number}-value"] = value
    return form


def set_in_panel(plane: MailInstance, account: Account, *rows: Row, **settings: str) -> FilterRule:
    answer = logged_in(account).post("/filters/add/", typed(*rows, **settings))
    assert answer.status_code == 302, answer.content.decode()
    plane.apply()
    return FilterRule.objects.filter(account=account).latest("pk")


def send(wire: Wire, account: Account, subject: str, *, sender: str = "x@obcy.example", to: str = "") -> None:
    text = letter(subject).replace("kto@example.org", to or account.address)
    wire.deliver(account.address, text=text.replace("From: x@obcy.example", f"From: {sender}"))


def arrives(wire: Wire, account: Account, folder: str, *subjects: str) -> None:
    """In the folder, whose name people write with Polish letters; Postfix may deliver two at once."""
    name = imap_name(folder)
    wait_until(lambda: len(wire.messages(account.address, PASSWORD, name)) == len(subjects), what=folder)
    assert sorted(wire.subjects(account.address, PASSWORD, name)) == sorted(subjects)


def imap_name(folder: str) -> str:
    """RFC 3501, 5.1.3."""
    return (
        folder.replace("&", "&-").encode("utf-7").decode().replace("+", "&")
        if not folder.isascii()
        else folder
    )


def flags(wire: Wire, account: Account, folder: str = "INBOX") -> str:
    with wire.imap(account.address, PASSWORD) as client:
        client.select(f'"{folder}"', readonly=True)
        return str(client.fetch("1", "(FLAGS)")[1][0])


def test_mail_is_filed_in_a_nested_folder_with_polish_letters(
    wire: Wire, plane: MailInstance, jan: Account
) -> None:
    set_in_panel(plane, jan, ("subject", "contains", "łódź"), folder="Klienci/Żółta Łódź")
    send(wire, jan, "Oferta: ŁÓDŹ 2026")
    send(wire, jan, "coś innego")
    arrives(wire, jan, "Klienci/Żółta Łódź", "Oferta: ŁÓDŹ 2026")
    arrives(wire, jan, "INBOX", "coś innego")


@pytest.mark.parametrize(
    ("row", "hit", "miss"),
    [
        (("sender", "is", "szef@firma.example"), "szef@firma.example", "szef@firma.example.net"),
        (("sender", "contains", "Żak"), "=?utf-8?q?Jan_=C5=BBak?= <z@a.example>", "Zak <z@a.example>"),
        (("sender", "matches", "*@sklep.example"), "Sklep <a@sklep.example>", "a@sklep.example.net"),
    ],
)
def test_conditions_on_the_sender(
    wire: Wire, plane: MailInstance, jan: Account, row: Row, hit: str, miss: str
) -> None:
    set_in_panel(plane, jan, row, folder="Trafione")
    send(wire, jan, "pudło", sender=miss)
    send(wire, jan, "trafienie", sender=hit)
    arrives(wire, jan, "Trafione", "trafienie")
    arrives(wire, jan, "INBOX", "pudło")


def test_all_or_any_of_the_conditions(wire: Wire, plane: MailInstance, jan: Account) -> None:
    rows = (("subject", "contains", "raport"), ("recipient", "is", "zespol@firma.example"))
    set_in_panel(plane, jan, *rows, joined="all", folder="Oba", stops="on")
    set_in_panel(plane, jan, *rows, joined="any", folder="Jedno")
    send(wire, jan, "raport", to="zespol@firma.example")
    send(wire, jan, "raport tygodnia")
    send(wire, jan, "obiad", to="zespol@firma.example")
    arrives(wire, jan, "Jedno", "raport tygodnia", "obiad")
    arrives(wire, jan, "Oba", "raport")


@pytest.mark.parametrize("own_script", ["", "keep;", 'require "fileinto"; fileinto "INBOX";', "# empty"])
def test_read_and_flagged_whatever_the_own_script_does(
    wire: Wire, plane: MailInstance, jan: Account, own_script: str
) -> None:
    set_in_panel(plane, jan, ("subject", "contains", "ważne"), marks_read="on", flags="on")
    if own_script:
        wire.put_sieve(jan.address, PASSWORD, own_script)
    send(wire, jan, "ważne 1")
    arrives(wire, jan, "INBOX", "ważne 1")
    assert "\\Seen" in flags(wire, jan)
    assert "\\Flagged" in flags(wire, jan)


def test_a_copy_is_forwarded_and_discarded_mail_is_gone(
    wire: Wire, plane: MailInstance, jan: Account, ola: Account
) -> None:
    actions.set_forwarding(jan, targets=[ola.address], keeps_copy=True, by=Actor.console())
    set_in_panel(plane, jan, ("subject", "is", "reklama"), discards="on", confirmed="on")
    send(wire, jan, "reklama")
    send(wire, jan, "reklama?")
    arrives(wire, jan, "INBOX", "reklama?")
    arrives(wire, ola, "INBOX", "reklama?")


def test_order_stop_and_switch(wire: Wire, plane: MailInstance, jan: Account, ola: Account) -> None:
    actions.set_forwarding(jan, targets=[ola.address], keeps_copy=True, by=Actor.console())
    condition = ("subject", "contains", "x")
    first = set_in_panel(plane, jan, condition, folder="Pierwszy", stops="on")
    second = set_in_panel(plane, jan, condition, folder="Drugi")
    send(wire, jan, "x1")
    arrives(wire, jan, "Pierwszy", "x1")
    panel = logged_in(jan)
    assert panel.post(f"/filters/{second.pk}/move/up/").status_code == 302
    plane.apply()
    send(wire, jan, "x2")
    arrives(wire, jan, "Drugi", "x2")
    arrives(wire, jan, "Pierwszy", "x1", "x2")
    for rule in (first, second):
        panel.post(f"/filters/{rule.pk}/switch/")
    plane.apply()
    send(wire, jan, "x3")
    arrives(wire, jan, "INBOX", "x3")
    # "Stop" ends the filters, not the forwarding.
    arrives(wire, ola, "INBOX", "x1", "x2", "x3")


def test_SVE_01_values_are_compared_as_they_stand(wire: Wire, plane: MailInstance, jan: Account) -> None:
    values = (FILES / "SVE-01-filter-values.txt").read_text(encoding="utf-8").splitlines()
    for number, value in enumerate(values):
        set_in_panel(plane, jan, ("subject", "contains", value), folder=f"Nr {number}", stops="on")
    stored = FilterRule.objects.filter(account=jan)
    assert [rule.conditions.get().value for rule in stored] == values
    page = logged_in(jan).get(f"/filters/{stored[0].pk}/").context["rows"][0]["value"].value()
    assert page == values[0]
    longest_first = sorted(enumerate(values), key=lambda pair: -len(pair[1]))
    for number, value in longest_first:
        containing = [other for other, text in enumerate(values) if text in value]
        send(wire, jan, f"A {value} Z")
        wait_until(lambda: wire.messages(jan.address, PASSWORD, f"Nr {min(containing)}"), what=value)  # noqa: B023
        assert number in containing
    assert wire.messages(jan.address, PASSWORD) == []


def test_SVE_04_a_folder_that_is_gone_is_made_again(wire: Wire, plane: MailInstance, jan: Account) -> None:
    set_in_panel(plane, jan, ("subject", "contains", "projekt"), folder="Projekty/2026")
    send(wire, jan, "projekt 1")
    arrives(wire, jan, "Projekty/2026", "projekt 1")
    with wire.imap(jan.address, PASSWORD) as client:
        assert client.delete("Projekty/2026")[0] == "OK"
    send(wire, jan, "projekt 2")
    arrives(wire, jan, "Projekty/2026", "projekt 2")


def test_SVE_04_a_folder_that_only_had_folders_below_it_takes_mail(
    wire: Wire, plane: MailInstance, jan: Account
) -> None:
    set_in_panel(plane, jan, ("subject", "contains", "2026"), folder="Projekty/2026")
    set_in_panel(plane, jan, ("subject", "contains", "projekt"), folder="Projekty")
    send(wire, jan, "rok 2026")
    arrives(wire, jan, "Projekty/2026", "rok 2026")
    send(wire, jan, "projekt")
    arrives(wire, jan, "Projekty", "projekt")


def test_SVE_06_SVE_07_the_own_script_is_untouched_and_works_beside(
    wire: Wire, plane: MailInstance, jan: Account
) -> None:
    script = (FILES / "SVE-07-handmade.sieve").read_bytes().decode()
    plane.apply()
    wire.put_sieve(jan.address, PASSWORD, script)
    with wire.imap(jan.address, PASSWORD) as client:
        client.create("Junk")
    set_in_panel(plane, jan, ("subject", "contains", "panel"), folder="Panel")
    plane.applier().apply_all(confirm_deletions=True)
    assert (plane.layout.mail / jan.home / "sieve" / "own.sieve").read_bytes().decode() == script
    assert logged_in(jan).get("/filters/").status_code == 200
    send(wire, jan, "panel")
    wire.deliver(jan.address, text=letter("własny", headers=["X-Spam: Yes"]))
    arrives(wire, jan, "Panel", "panel")
    arrives(wire, jan, "Junk", "własny")


def test_a_rendered_script_never_costs_mail(wire: Wire, plane: MailInstance, jan: Account) -> None:
    set_in_panel(plane, jan, ("subject", "contains", "x"), folder="X")
    script = plane.layout.sieve / f"{jan.home}.sieve"
    script.with_suffix(".svbin").unlink()
    script.write_text("this is no sieve {")
    send(wire, jan, "x")
    arrives(wire, jan, "INBOX", "x")


def tried(plane: MailInstance, account: Account, message: str) -> list[tuple[str, list[str]]]:
    """As the page shows it."""
    panel = logged_in(account)
    assert panel.post("/filters/try/", {"message": message}).status_code == 302
    assert not panel.get("/filters/try/").context["trial"].done_at
    node_try_filters(account.pk)
    trial = panel.get("/filters/try/").context["trial"]
    assert trial.error == ""
    assert trial.message == ""
    return [(result["subject"], result["fired"]) for result in trial.results]


def test_trying_shows_which_rules_fire_and_touches_nothing(
    wire: Wire, plane: MailInstance, jan: Account
) -> None:
    send(wire_after(plane), jan, "faktura 1")
    arrives(wire, jan, "INBOX", "faktura 1")
    send(wire, jan, "obiad")
    arrives(wire, jan, "INBOX", "faktura 1", "obiad")
    condition = ("subject", "contains", "faktura")
    set_in_panel(plane, jan, condition, name="Oznacz", marks_read="on")
    set_in_panel(plane, jan, condition, name="Odłóż", folder="Faktury", stops="on")
    set_in_panel(plane, jan, condition, name="Po zatrzymaniu", folder="Inne")
    assert tried(plane, jan, "") == [("obiad", []), ("faktura 1", ["Oznacz", "Odłóż"])]
    pasted = "From: x@y.example\r\nSubject: =?utf-8?q?faktura_za_=C5=82=C3=B3d=C5=BA?="
    assert tried(plane, jan, pasted) == [("faktura za łódź", ["Oznacz", "Odłóż"])]
    assert tried(plane, jan, "\n\nSubject: inne\n\nfaktura w treści") == [("inne", [])]
    assert wire.subjects(jan.address, PASSWORD) == ["faktura 1", "obiad"]
    assert list((plane.layout.spool / "trials").iterdir()) == []


def wire_after(plane: MailInstance) -> Wire:
    plane.apply()
    return Wire(plane.layout)


def test_an_empty_inbox_is_tried_too_and_a_dead_server_is_said(plane: MailInstance, jan: Account) -> None:
    set_in_panel(plane, jan, ("subject", "contains", "x"), folder="X")
    assert tried(plane, jan, "") == []
    actions.ask_for_trial(jan, message="Subject: x", by=Actor.console())
    plane.host.change_rows("account", [], [jan.address])
    node_sweep()
    assert logged_in(jan).get("/filters/try/").context["trial"].error
