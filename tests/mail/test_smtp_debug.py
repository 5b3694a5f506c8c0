"""The dialogue of one client, word for word: his alone, without a password, and over by itself."""

from __future__ import annotations

import base64
import smtplib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import DatabaseError
from django.utils import timezone

from accounts.actor import Actor
from accounts.models import Account
from maillog.access import sight_of
from maillog.debugging import end_debugging, obey, start_debugging
from maillog.ingest import Ingester
from maillog.models import Debugging, Entry, EntryLines
from maillog.timeline import timeline_of
from qmailux_site.errors import ActionRefused
from tests.conftest import PASSWORD
from tests.mail.instance import MailInstance, wait_until
from tests.mail.wire import CLIENT_ADDRESS, Wire, letter

pytestmark = pytest.mark.django_db(databases=["default", "logs"])
OTHER = "127.0.7.7"


@pytest.fixture
def wire(plane: MailInstance, jan: Account) -> Iterator[Wire]:
    plane.apply()
    yield Wire(plane.layout)
    Debugging.objects.all().delete()
    carry_out(plane)


def carry_out(plane: MailInstance) -> None:
    """As the process that reads the logs does, twice a second."""
    obey(plane.layout.debugged_clients, plane.layout.queue / "pid" / "master.pid")


def dialogues(ingester: Ingester, plane: MailInstance) -> list[str]:
    """As read now, each as one text."""
    ingester.run(plane.layout.node_log)
    sight = sight_of(Actor.console())
    entries = Entry.objects.filter(kind="debug").select_related("lines").order_by("pk")
    return ["\n".join(step.words for step in timeline_of(entry, sight)) for entry in entries]


def test_one_clients_dialogue_is_shown_within_seconds_and_holds_no_password(
    wire: Wire, plane: MailInstance, jan: Account, console: Actor, tmp_path: Path
) -> None:
    ingester = Ingester(tmp_path / "lock")
    start_debugging(CLIENT_ADDRESS, minutes=5, by=console)
    carry_out(plane)
    Wire(plane.layout, OTHER).deliver(jan.address, text=letter("Cudza rozmowa"))
    with wire.submission() as client:
        wire.smtp_login(client, jan.address, PASSWORD)
        client.sendmail(jan.address, [jan.address], letter("Podglądana").encode())
        client.quit()
    with wire.submission() as client:
        wire.smtp_login(client, jan.address, PASSWORD, "LOGIN")
        client.quit()
    with wire.submission() as client, pytest.raises(smtplib.SMTPAuthenticationError):
        wire.smtp_login(client, jan.address, "Tajne-Haslo-9")

    found: list[str] = []

    def is_whole() -> bool:
        found[:] = dialogues(ingester, plane)
        return len(found) == 3 and not Entry.objects.filter(kind="debug", is_open=True).exists()

    wait_until(is_whole, seconds=5, what=str(found))
    plain, login, refused = found
    assert "client: AUTH PLAIN ********" in plain
    assert f"client: MAIL FROM:<{jan.address}>" in plain.replace("mail FROM", "MAIL FROM")
    assert "server: 250 2.0.0 Ok: queued as" in plain
    assert "client: AUTH LOGIN\nserver: 334 ********\nclient: ********\nserver: 334 ********" in login
    assert "server: 535 5.7.8" in refused
    clients = set(Entry.objects.filter(kind="debug").values_list("client", flat=True))
    assert clients == {"0" * 20 + "ffff7f000002"}
    stored = "\n".join(EntryLines.objects.values_list("text", flat=True))
    for secret in (PASSWORD, "Tajne-Haslo-9"):
        for text in (secret, f"\0{jan.address}\0{secret}"):
            encoded = base64.b64encode(text.encode()).decode()
            for form in (text, encoded, encoded.rstrip("=")):
                assert form not in stored
                assert form not in plane.log("mail.log")


def test_a_network_is_logged_and_ended_by_hand(
    wire: Wire, plane: MailInstance, jan: Account, console: Actor, tmp_path: Path
) -> None:
    ingester = Ingester(tmp_path / "lock")
    found = start_debugging("127.0.7.0/24", minutes=5, by=console)
    carry_out(plane)
    before = len(dialogues(ingester, plane))
    Wire(plane.layout, OTHER).deliver(jan.address, text=letter("pierwsza"))
    wait_until(lambda: len(dialogues(ingester, plane)) == before + 1, seconds=5)
    end_debugging(found, by=console)
    carry_out(plane)

    def is_silent() -> bool:
        """A process that the news finds at work ends after it."""
        count, subjects = len(dialogues(ingester, plane)), len(wire.subjects(jan.address, PASSWORD))
        Wire(plane.layout, OTHER).deliver(jan.address, text=letter("druga"))
        wait_until(lambda: len(wire.subjects(jan.address, PASSWORD)) > subjects)
        return len(dialogues(ingester, plane)) == count

    wait_until(is_silent, seconds=5)


def test_it_is_over_after_its_minutes_while_the_database_is_away(
    wire: Wire, plane: MailInstance, console: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = plane.layout.debugged_clients
    start_debugging(CLIENT_ADDRESS, minutes=1, by=console)
    start_debugging(OTHER, minutes=30, by=console)
    carry_out(plane)
    assert len(table.read_text().splitlines()) == 2
    later = timezone.now() + timedelta(minutes=2)
    with monkeypatch.context() as patch:
        patch.setattr(timezone, "now", lambda: later)
        patch.setattr(Debugging.objects, "filter", _away)
        with pytest.raises(DatabaseError):
            carry_out(plane)
    assert [line.split()[0] for line in table.read_text().splitlines()] == [f"{OTHER}/32"]


def _away(**_asked: object) -> None:
    raise DatabaseError("away")


@pytest.mark.parametrize(
    ("network", "minutes"),
    [("0.0.0.0/0", 5), ("jan", 5), ("", 5), ("::/16", 5), ("127.0.0.2", 0), ("127.0.0.2", 61)],
)
def test_what_makes_no_sense_is_one_sentence(network: str, minutes: int, console: Actor) -> None:
    with pytest.raises(ActionRefused):
        start_debugging(network, minutes=minutes, by=console)
    assert not Debugging.objects.exists()


def test_the_command_starts_lists_and_ends(capsys: pytest.CaptureFixture[str], db: None) -> None:
    call_command("logs", "debug", "192.0.2.7", "--minutes", "3")
    assert "192.0.2.7/32" in capsys.readouterr().out
    call_command("logs", "debug", "192.0.2.7", "--end")
    assert "192.0.2.7/32" not in capsys.readouterr().out
