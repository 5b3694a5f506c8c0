"""Three classes of mail, judged for each recipient alone by a real spamd."""

from __future__ import annotations

from decimal import Decimal

import pytest

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account
from antispam.actions import set_spam_preference
from domains.models import Domain
from tests.conftest import PASSWORD
from tests.mail.instance import MailInstance, wait_until
from tests.mail.spam import scored, use_points
from tests.mail.wire import Wire, letter

GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"


@pytest.fixture(scope="module", autouse=True)
def points(running_plane: MailInstance) -> None:
    use_points(running_plane)


@pytest.fixture
def wire(plane: MailInstance) -> Wire:
    return Wire(plane.layout)


@pytest.fixture
def three(firma: Domain, console: Actor, plane: MailInstance) -> tuple[Account, ...]:
    """jan keeps the server's thresholds, ewa is strict, ola is careful."""
    jan, ewa, ola = (
        actions.add_account(domain=firma, localpart=name, password=PASSWORD, by=console)
        for name in ("jan", "ewa", "ola")
    )
    actions.add_alias(
        domain=firma, localpart="wszyscy", targets=[jan.address, ewa.address, ola.address], by=console
    )
    for account, suspected, probable in ((ewa, "3.0", 6), (ola, "8.0", 10)):
        set_spam_preference(account, thresholds=(Decimal(suspected), probable), is_scanned=None, by=console)
    plane.apply()
    return jan, ewa, ola


def found(wire: Wire, account: Account) -> list[tuple[str, str]]:
    """Folder and subject of every message of the account."""
    return [
        (folder, subject)
        for folder in ("INBOX", "SPAM")
        for subject in wire.subjects(account.address, PASSWORD, folder)
    ]


TABLE = [
    # score, and where it lands for jan (5 / 10), ewa (3 / 6) and ola (8 / 10)
    (-1, ("INBOX", "punkty"), ("INBOX", "punkty"), ("INBOX", "punkty")),
    (2, ("INBOX", "punkty"), ("INBOX", "punkty"), ("INBOX", "punkty")),
    (3, ("INBOX", "punkty"), ("INBOX", "[SPAM] punkty"), ("INBOX", "punkty")),
    (6, ("INBOX", "[SPAM] punkty"), ("SPAM", "[SPAM] punkty"), ("INBOX", "punkty")),
    (10, ("SPAM", "[SPAM] punkty"), ("SPAM", "[SPAM] punkty"), ("SPAM", "[SPAM] punkty")),
]


@pytest.mark.parametrize(("score", "jan", "ewa", "ola"), TABLE)
def test_one_message_to_three_recipients_lands_in_their_own_classes(
    wire: Wire,
    three: tuple[Account, ...],
    firma: Domain,
    score: int,
    jan: tuple[str, str],
    ewa: tuple[str, str],
    ola: tuple[str, str],
) -> None:
    wire.deliver(f"wszyscy@{firma.name}", text=scored("punkty", score))
    wait_until(lambda: all(found(wire, account) for account in three), what="three copies")
    assert [found(wire, account) for account in three] == [[jan], [ewa], [ola]]


def test_a_clean_message_is_not_touched_but_for_our_own_headers(
    wire: Wire, three: tuple[Account, ...]
) -> None:
    wire.deliver(three[0].address, text=scored("czysta", 0))
    wait_until(lambda: found(wire, three[0]))
    message = wire.messages(three[0].address, PASSWORD)[0]
    assert message["Subject"] == "czysta"
    assert message["X-Spam-Flag"] is None
    assert message["X-Spam-Score"] == "0.0"


def test_what_a_sender_claims_about_our_check_is_removed(wire: Wire, three: tuple[Account, ...]) -> None:
    forged = ("X-Spam-Flag: YES", f"X-Spam-Level: {'*' * 30}", "X-Spam-Score: 30", "X-QM-Scan: failed")
    wire.deliver(three[0].address, text=scored("podrobiona", 0, headers=forged))
    wait_until(lambda: found(wire, three[0]) == [("INBOX", "podrobiona")])
    message = wire.messages(three[0].address, PASSWORD)[0]
    assert message["X-Spam-Flag"] is None
    assert message["X-QM-Scan"] is None
    assert message.get_all("X-Spam-Score") == ["0.0"]


def test_GTUBE_is_probable_spam(wire: Wire, three: tuple[Account, ...]) -> None:
    wire.deliver(three[0].address, text=letter("reklama", f"Oto {GTUBE}\n"))
    wait_until(lambda: found(wire, three[0]) == [("SPAM", "[SPAM] reklama")])


def test_who_has_switched_the_check_off_gets_all_mail_unmarked(
    wire: Wire, plane: MailInstance, three: tuple[Account, ...], console: Actor
) -> None:
    set_spam_preference(three[0], thresholds=None, is_scanned=False, by=console)
    plane.apply()
    wire.deliver(three[0].address, text=letter("reklama", f"Oto {GTUBE}\n"))
    wait_until(lambda: found(wire, three[0]) == [("INBOX", "reklama")])
    assert wire.messages(three[0].address, PASSWORD)[0]["X-QM-Scan"] == "off"


def test_a_large_message_is_delivered_and_says_that_it_was_not_scanned(
    wire: Wire, three: tuple[Account, ...]
) -> None:
    wire.deliver(three[0].address, text=letter("duża", f"{GTUBE}\n" + "długi tekst\n" * 60_000))
    wait_until(lambda: found(wire, three[0]) == [("INBOX", "duża")])
    assert wire.messages(three[0].address, PASSWORD)[0]["X-QM-Scan"] == "skipped: large"


def test_without_spamd_mail_is_delivered_and_says_so(
    wire: Wire, plane: MailInstance, three: tuple[Account, ...]
) -> None:
    daemon = plane.daemon("spamd")
    plane.stop_daemon("spamd")
    try:
        wire.deliver(three[0].address, text=letter("bez spamd", f"{GTUBE}\n"))
        wait_until(lambda: found(wire, three[0]) == [("INBOX", "bez spamd")])
        assert wire.messages(three[0].address, PASSWORD)[0]["X-QM-Scan"] == "failed"
    finally:
        plane.start_daemon(daemon)


def test_mail_that_comes_while_spamd_takes_up_new_settings_is_scanned(
    wire: Wire, plane: MailInstance, three: tuple[Account, ...]
) -> None:
    plane.host.run(plane.daemon("spamd").reload)
    wire.deliver(three[0].address, text=letter("w trakcie", f"{GTUBE}\n"))
    wait_until(lambda: found(wire, three[0]) == [("SPAM", "[SPAM] w trakcie")])


def test_a_domains_change_counts_for_its_accounts_and_rewrites_one_file(
    wire: Wire, plane: MailInstance, firma: Domain, console: Actor, three: tuple[Account, ...]
) -> None:
    jan, ewa, _ola = three
    set_spam_preference(firma, thresholds=(Decimal("20"), 40), is_scanned=None, by=console)
    plane.apply()
    set_spam_preference(firma, thresholds=(Decimal("2"), 4), is_scanned=None, by=console)
    outcome = plane.apply()
    assert {store: count for store, count in outcome.upserts.items() if count} == {"spam": 1, "spam_file": 1}
    wire.deliver(f"wszyscy@{firma.name}", text=scored("punkty", 4))
    wait_until(lambda: all(found(wire, account) for account in three))
    assert found(wire, jan) == [("SPAM", "[SPAM] punkty")]
    assert found(wire, ewa) == [("INBOX", "[SPAM] punkty")]


def test_without_wishes_there_is_no_file(
    plane: MailInstance, firma: Domain, console: Actor, three: tuple[Account, ...]
) -> None:
    files = plane.layout.spamassassin
    _jan, ewa, _ola = three
    assert len(list(files.rglob(f"{ewa.uuid.hex}/user_prefs"))) == 1
    assert list(files.rglob(f"{three[0].uuid.hex}/user_prefs")) == []
    set_spam_preference(ewa, thresholds=None, is_scanned=None, by=console)
    plane.apply()
    assert list(files.rglob(f"{ewa.uuid.hex}/user_prefs")) == []
