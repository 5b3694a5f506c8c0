"""Somebody leaves, with real daemons: no login, an answer, new mail and old mail at the colleague's."""

from __future__ import annotations

import datetime
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone

from accounts import actions
from accounts.actor import Actor
from accounts.leaving import Departure
from accounts.models import Account
from domains.models import Domain
from provisioning.handover import hand_over
from provisioning.mailbox import opened
from tests.conftest import PASSWORD
from tests.db.test_panel import logged_in, plain_static
from tests.mail.instance import MailInstance, wait_until
from tests.mail.test_locks import can_log_in, session_is_dead
from tests.mail.wire import Wire, letter

__all__ = ["plain_static"]
ROOT = Path(__file__).resolve().parents[2]
DATE = '"01-Feb-2024 10:00:00 +0100"'
# What a worker does, in a process that can be killed.
COPYING = """
import django; django.setup()
from django.conf import settings
from provisioning import handover
from provisioning.hosts import host_of
for departure in handover.waiting():
    host = host_of(departure.account.domain.node)
    while not handover.hand_over(departure, host, settings.QMAILUX_LAYOUT, seconds=1):
        pass
"""


@pytest.fixture
def wire(plane: MailInstance) -> Wire:
    return Wire(plane.layout)


@pytest.fixture
def ola(firma: Domain, console: Actor, jan: Account, plane: MailInstance) -> Account:
    account = actions.add_account(domain=firma, localpart="ola", password=PASSWORD, by=console)
    plane.apply()
    return account


def put(wire: Wire, account: Account, folder: str, *subjects: str, flags: str = "") -> None:
    with wire.imap(account.address, PASSWORD) as client:
        client.create(f'"{folder}"')
        for subject in subjects:
            status, answer = client.append(f'"{folder}"', flags, DATE, letter(subject).encode())
            assert status == "OK", answer


def leave(jan: Account, ola: Account, console: Actor, **other: object) -> Departure:
    chosen = {"subject": "Jana nie ma", "text": "Pisz do Oli.", **other}
    ends_on = timezone.localdate() + datetime.timedelta(days=1)
    return actions.begin_departure(jan, colleague=ola, ends_on=ends_on, by=console, **chosen)  # type: ignore[arg-type]


def copied(plane: MailInstance, departure: Departure, *, seconds: float = 60) -> bool:
    return hand_over(Departure.objects.get(pk=departure.pk), plane.host, plane.layout, seconds=seconds)


def test_the_form_locks_answers_and_hands_over_new_and_old_mail(
    wire: Wire, plane: MailInstance, firma: Domain, jan: Account, ola: Account, console: Actor
) -> None:
    from domains.actions import set_managers

    put(wire, jan, "INBOX", "stary 1", "stary 2", flags="(\\Seen)")
    put(wire, jan, "Klienci/Stali", "klient")
    put(wire, jan, "SPAM", "spam")
    set_managers(firma, addresses=[ola.address], by=console)
    open_session = wire.imap(jan.address, PASSWORD)
    running = open_session.__enter__()
    typed = {
        "colleague": ola.address,
        "subject": "Jana nie ma",
        "text": "Pisz do Oli.",
        "ends_on": "2099-01-31",
    }
    url = f"/domain/{firma.name}/accounts/{jan.pk}/leave/"
    assert logged_in(ola).post(url, typed).status_code == 302
    departure = Departure.objects.get(account=jan)
    assert not copied(plane, departure), "nothing is copied while new mail may still come in"
    plane.apply()
    session_is_dead(running)
    assert not any(can_log_in(wire, jan).values())

    sender = actions.add_account(domain=firma, localpart="klient", password=PASSWORD, by=console)
    plane.apply()
    text = letter("nowy").replace("kto@example.org", jan.address)
    wire.submit(sender.address, PASSWORD, sender.address, jan.address, text=text)
    wait_until(lambda: wire.subjects(ola.address, PASSWORD) == ["nowy"])
    wait_until(lambda: wire.subjects(sender.address, PASSWORD) == ["Jana nie ma"])

    assert copied(plane, departure)
    folder = f"jan@{firma.name.replace('.', '_')}"
    assert wire.subjects(ola.address, PASSWORD, folder) == ["stary 1", "stary 2"]
    assert wire.subjects(ola.address, PASSWORD, f"{folder}/Klienci/Stali") == ["klient"]
    assert wire.subjects(ola.address, PASSWORD, f"{folder}/SPAM") == []
    with wire.imap(ola.address, PASSWORD) as client:
        client.select(f'"{folder}"', readonly=True)
        kept = client.fetch("1", "(INTERNALDATE FLAGS)")[1][0]
    assert b"01-Feb-2024 10:00:00 +0100" in kept  # type: ignore[operator]
    assert b"\\Seen" in kept  # type: ignore[operator]
    departure.refresh_from_db()
    assert (departure.copied_count, departure.total_count) == (3, 3)
    with opened(plane.layout, jan.address) as mailbox:
        mailbox.select("INBOX")
        assert len(mailbox.uids("ALL")) == 2, "the mailbox keeps it"


def test_own_scripts_and_filters_of_who_has_left_rest(
    wire: Wire, plane: MailInstance, firma: Domain, jan: Account, ola: Account, console: Actor
) -> None:
    """A private forwarding in a script of one's own would go on reading the firm's mail."""
    spy = actions.add_account(domain=firma, localpart="prywatne", password=PASSWORD, by=console)
    rule = actions.RuleSettings(
        name="x",
        joined="any",
        conditions=[actions.Condition("subject", "contains", "n")],
        copy_to=spy.address,
    )
    actions.add_filter(jan, rule, by=console)
    plane.apply()
    wire.put_sieve(jan.address, PASSWORD, f'require "copy"; redirect :copy "{spy.address}";')
    wire.deliver(jan.address, text=letter("nim odszedł"))
    wait_until(lambda: len(wire.subjects(spy.address, PASSWORD)) == 1)
    leave(jan, ola, console)
    plane.apply()
    wire.deliver(jan.address, text=letter("nowa poczta"))
    wait_until(lambda: wire.subjects(ola.address, PASSWORD) == ["nowa poczta"])
    wire.deliver(spy.address, text=letter("koniec"))
    wait_until(lambda: "koniec" in wire.subjects(spy.address, PASSWORD))
    assert "nowa poczta" not in wire.subjects(spy.address, PASSWORD)


def test_unlocked_again_it_is_as_any_account(
    wire: Wire, plane: MailInstance, jan: Account, ola: Account, console: Actor
) -> None:
    leave(jan, ola, console)
    plane.apply()
    assert wire.imap_login_command(jan.address, PASSWORD) == "NO"
    actions.unlock_account(jan, by=console)
    actions.set_forwarding(jan, targets=(), keeps_copy=True, by=console)
    plane.apply()
    assert wire.imap_login_command(jan.address, PASSWORD) == "OK"
    wire.deliver(jan.address, text=letter("znowu tu"))
    wait_until(lambda: wire.subjects(jan.address, PASSWORD) == ["znowu tu"])


def test_after_the_last_day_mail_is_refused(
    wire: Wire, plane: MailInstance, jan: Account, ola: Account, console: Actor
) -> None:
    departure = leave(jan, ola, console)
    plane.apply()
    assert wire.rcpt(jan.address)[0] == 250
    assert copied(plane, departure)
    yesterday = timezone.localdate() - datetime.timedelta(days=1)
    Departure.objects.update(ends_on=yesterday)
    assert actions.end_departures(by=Actor.task()) == 1
    plane.apply()
    assert wire.rcpt(jan.address)[0] == 550
    assert wire.imap_login_command(jan.address, PASSWORD) == "NO"


def test_copying_again_copies_nothing_twice_and_new_mail_of_the_colleague_stays(
    wire: Wire, plane: MailInstance, jan: Account, ola: Account, console: Actor
) -> None:
    put(wire, jan, "INBOX", *(f"list {number}" for number in range(5)))
    put(wire, jan, "INBOX", "list 1")
    departure = leave(jan, ola, console)
    plane.apply()
    assert copied(plane, departure)
    put(wire, ola, departure.folder, "od Oli")
    Departure.objects.update(copied_at=None)
    assert copied(plane, departure)
    found = sorted(wire.subjects(ola.address, PASSWORD, departure.folder))
    assert found == ["list 0", "list 1", "list 1", "list 2", "list 3", "list 4", "od Oli"]


def copying_process() -> subprocess.Popen[bytes]:
    database = connection.settings_dict
    url = (
        f"sqlite:///{database['NAME']}"
        if connection.vendor == "sqlite"
        else f"postgres:///{database['NAME']}?host={database['HOST']}"
    )
    environment = {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "qmailux_site.settings"}
    return subprocess.Popen([sys.executable, "-c", COPYING], cwd=ROOT, env={**os.environ, **environment})


def test_a_killed_copier_loses_nothing_and_copies_nothing_twice(
    transactional_db: None, wire: Wire, plane: MailInstance, jan: Account, ola: Account, console: Actor
) -> None:
    """Two are alike to the byte: they are two there as well."""
    count = 160
    put(wire, jan, "INBOX", *(f"list {number}" for number in range(count)), "list 7")
    put(wire, jan, "Archiwum", "stary")
    departure = leave(jan, ola, console)
    plane.apply()

    def there() -> int:
        with opened(plane.layout, ola.address) as mailbox:
            return len(mailbox.uids("ALL")) if mailbox.select(departure.folder) else 0

    for after in (3, 62, 120):
        process = copying_process()
        wait_until(lambda after=after: there() >= after, seconds=120)  # type: ignore[misc]
        process.send_signal(signal.SIGKILL)
        process.wait()
    last = copying_process()
    assert last.wait(timeout=300) == 0
    found = sorted(wire.subjects(ola.address, PASSWORD, departure.folder))
    assert found == sorted([*(f"list {number}" for number in range(count)), "list 7"])
    assert wire.subjects(ola.address, PASSWORD, f"{departure.folder}/Archiwum") == ["stary"]
    departure.refresh_from_db()
    assert departure.copied_at is not None
    assert departure.copied_count == count + 2
