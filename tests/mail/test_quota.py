"""Quotas: refused at RCPT, the owner warned once, lowered limits agreed upon by every way in."""

from __future__ import annotations

from email.message import EmailMessage

import pytest

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account
from domains.models import Domain
from tests.conftest import PASSWORD
from tests.mail.instance import MailInstance, wait_until
from tests.mail.wire import Wire, letter

KB = 1024


@pytest.fixture
def wire(plane: MailInstance) -> Wire:
    return Wire(plane.layout)


def big(subject: str, size: int) -> str:
    return letter(subject, "x" * 70 + "\n" + ("y" * 70 + "\n") * (size // 71))


def fill(wire: Wire, account: Account, size: int, subject: str = "balast") -> None:
    wire.deliver(account.address, text=big(subject, size))
    wait_until(lambda: subject in wire.subjects(account.address, PASSWORD), what=subject)


def warnings_in(wire: Wire, account: Account) -> list[EmailMessage]:
    return [m for m in wire.messages(account.address, PASSWORD) if "%" in str(m["Subject"])]


@pytest.mark.parametrize("way", ["another server", "a login"])
def test_QTA_03_full_recipient_is_refused_at_rcpt_and_others_get_it(
    wire: Wire, plane: MailInstance, jan: Account, console: Actor, firma: Domain, way: str
) -> None:
    pelny = actions.add_account(
        domain=firma, localpart="pelny", password=PASSWORD, quota_bytes=100 * KB, by=console
    )
    plane.apply()
    fill(wire, pelny, 99 * KB)
    sender = "x@obcy.example"
    with wire.smtp() if way == "another server" else wire.submission() as client:
        if way == "a login":
            sender = jan.address
            wire.smtp_login(client, sender, PASSWORD)
        refused = client.sendmail(sender, [pelny.address, jan.address], big("dla dwojga", 30 * KB))
    assert list(refused) == [pelny.address]
    assert refused[pelny.address][0] == 552
    wait_until(lambda: "dla dwojga" in wire.subjects(jan.address, PASSWORD))


def test_QTA_01_zero_is_unlimited(wire: Wire, plane: MailInstance, jan: Account, console: Actor) -> None:
    actions.edit_account(jan, quota_bytes=0, by=console)
    plane.apply()
    fill(wire, jan, 300 * KB)
    assert wire.rcpt(jan.address, size=20_000_000)[0] == 250


def test_QTA_02_lowered_quota_counts_at_once_for_every_way_in(
    wire: Wire, plane: MailInstance, jan: Account, console: Actor
) -> None:
    plane.apply()
    fill(wire, jan, 200 * KB)
    actions.edit_account(jan, quota_bytes=100 * KB, by=console)
    plane.apply()
    assert wire.rcpt(jan.address, size=1000)[0] == 552
    with wire.imap(jan.address, PASSWORD) as imap:
        assert b"OVERQUOTA" in imap.append("Drafts", "", "", b"Subject: szkic\r\n\r\nx")[1][0]
        imap.select("INBOX")
        imap.store("1", "+FLAGS", "\\Deleted")
        assert imap.expunge()[0] == "OK"
        assert imap.append("Drafts", "", "", b"Subject: szkic\r\n\r\nx")[0] == "OK"
    assert wire.rcpt(jan.address, size=1000)[0] == 250


@pytest.mark.parametrize(("language", "word"), [("pl", "skrzynka"), ("en", "mailbox")])
def test_QTA_07_owner_is_warned_once_in_the_own_language(
    wire: Wire, plane: MailInstance, jan: Account, console: Actor, language: str, word: str
) -> None:
    actions.edit_account(jan, quota_bytes=100 * KB, language=language, by=console)
    plane.apply()
    wire.put_sieve(
        jan.address,
        PASSWORD,
        'require ["vacation","fileinto","mailbox"]; vacation "nie ma mnie"; fileinto :create "Inne";',
    )
    wire.deliver(jan.address, text=big("pierwszy", 83 * KB))
    wait_until(lambda: len(warnings_in(wire, jan)) == 1, what="warning at 80 %")
    assert word in str(warnings_in(wire, jan)[0]["Subject"]).lower()
    wire.deliver(jan.address, text=big("drugi", 4 * KB))
    wait_until(lambda: "drugi" in wire.subjects(jan.address, PASSWORD, "Inne"))
    assert len(warnings_in(wire, jan)) == 1
    wire.deliver(jan.address, text=big("trzeci", 9 * KB))
    wait_until(lambda: len(warnings_in(wire, jan)) == 2, what="warning at 95 %")
    with wire.imap(jan.address, PASSWORD) as imap:
        imap.select("Inne")
        imap.store("1:*", "+FLAGS", "\\Deleted")
        imap.expunge()
    wire.deliver(jan.address, text=big("znowu", 84 * KB))
    wait_until(lambda: len(warnings_in(wire, jan)) == 3, what="warning after usage fell")


def test_QTA_07_warning_is_stored_when_the_mailbox_is_full(
    wire: Wire, plane: MailInstance, jan: Account, console: Actor
) -> None:
    actions.edit_account(jan, quota_bytes=100 * KB, by=console)
    plane.apply()
    wire.deliver(jan.address, text=big("naraz", 104 * KB))
    wait_until(lambda: len(warnings_in(wire, jan)) == 1, what="warning past the quota")
