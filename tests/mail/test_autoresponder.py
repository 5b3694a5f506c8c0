"""The autoresponder as the panel sets it, looked at in the mailbox of who wrote."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, time, timedelta
from email.message import EmailMessage

import pytest
from django.test import Client
from django.utils import timezone

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account, Autoresponder
from domains import actions as domain_actions
from domains.models import Domain
from provisioning.last_logins import read_last_logins
from tests.conftest import PASSWORD
from tests.db.test_panel import logged_in, plain_static
from tests.mail.instance import MailInstance, wait_until
from tests.mail.wire import Wire, letter

__all__ = ["plain_static"]
# The files of the cases, line by line, and a path that a quoted string would take apart.
DOTS = (
    "Pierwsza linia\n.\n..\n.. po dwoch kropkach spacja\n...trzy\n.\n"
    'redirect "zly@example.net";\nC:\\temp\nkoniec\n.'
)
VARIABLES = (
    "Cena ${1} zl, ${nazwa}, ${hex:41}, ${unicode:0141}, ${unicode:110000}\n"
    "{{ user.password }} {% raw %} %s %d %(x)s $HOME `id`"
)


@pytest.fixture
def wire(plane: MailInstance) -> Wire:
    return Wire(plane.layout)


@pytest.fixture
def ola(firma: Domain, console: Actor) -> Account:
    return actions.add_account(domain=firma, localpart="ola", password=PASSWORD, by=console)


def set_in_panel(account: Account, **typed: str) -> None:
    form = {"is_on": "on", "subject": "Urlop", "text": "Nie ma mnie.", "every": "7", "unit": "days"}
    answer = logged_in(account).post("/autoresponder/", form | typed)
    assert answer.status_code == 302, answer.content.decode()


class Post:
    """Ola writes to somebody and looks at what came back."""

    def __init__(self, wire: Wire, ola: Account) -> None:
        self.wire, self.ola = wire, ola
        self.sent = 0

    def write(self, recipient: str, *headers: str, to: str = "", sender: str = "") -> None:
        self.sent += 1
        text = letter(f"pytanie {self.sent}", headers=headers)
        text = text.replace("kto@example.org", to or recipient)
        sender = sender or self.ola.address
        self.wire.deliver(recipient, text=text.replace("x@obcy.example", sender), sender=sender)

    def arrived(self, account: Account, count: int) -> None:
        """Sieve has ended for a message that lies in the mailbox, and its answer has been handed over."""
        wait_until(lambda: len(self.wire.messages(account.address, PASSWORD)) == count)

    def answers(self, count: int) -> list[EmailMessage]:
        wait_until(lambda: len(self.wire.messages(self.ola.address, PASSWORD)) >= count)
        found = self.wire.messages(self.ola.address, PASSWORD)
        assert len(found) == count
        return found


@pytest.fixture
def post(wire: Wire, ola: Account) -> Post:
    return Post(wire, ola)


@pytest.mark.parametrize(
    "text",
    [DOTS, VARIABLES, "ąę\n\n" + "x" * 70 + "\n" + "długa linia\n" * 4000],
    ids=["VAC_02", "VAC_04", "50kB"],
)
def test_VAC_02_VAC_04_what_was_typed_arrives_once(
    plane: MailInstance, post: Post, jan: Account, text: str
) -> None:
    set_in_panel(jan, text=text, subject="Nieobecność: „urlop” – ${1}")
    plane.apply()
    post.write(jan.address)
    answer = post.answers(1)[0]
    assert answer.get_content().replace("\r\n", "\n").rstrip("\n") == text.rstrip("\n")
    assert str(answer["Subject"]) == "Nieobecność: „urlop” – ${1}"
    assert str(answer["From"]) == f"Jan Żak <{jan.address}>"
    assert str(answer["Auto-Submitted"]).startswith("auto-replied")
    assert str(answer["Return-Path"]) == "<>"
    post.write(jan.address)
    post.arrived(jan, 2)
    actions.forget_answered(jan, by=Actor.console())
    plane.apply()
    post.write(jan.address)
    post.answers(2)


def test_a_text_without_line_breaks_arrives_whole(plane: MailInstance, post: Post, jan: Account) -> None:
    text = "zażółć gęślą jaźń, " * 2000
    set_in_panel(jan, text=text)
    plane.apply()
    post.write(jan.address)
    assert post.answers(1)[0].get_content() == f"{text}\r\n"


def test_who_was_answered_is_listed_and_can_be_forgotten_alone(
    plane: MailInstance, post: Post, jan: Account, firma: Domain, console: Actor
) -> None:
    actions.add_alias(domain=firma, localpart="ela", targets=[post.ola.address], by=console)
    set_in_panel(jan)
    plane.apply()
    for count, sender in enumerate((post.ola.address, f"ela@{firma.name}"), 1):
        post.write(jan.address, sender=sender)
        post.answers(count)
    panel = logged_in(jan)
    wait_until(lambda: listed_count(plane, panel) == 2, what="both in the list")
    listed = {sender.address: sender for sender in panel.get("/autoresponder/").context["answered"]}
    assert set(listed) == {post.ola.address, f"ela@{firma.name}"}
    assert abs(listed[post.ola.address].answered_at - timezone.now()) < timedelta(minutes=5)
    forgotten = listed[post.ola.address].pk
    assert panel.post(f"/autoresponder/forget/{forgotten}/").status_code == 302
    left = panel.get("/autoresponder/").context["answered"]
    assert [sender.address for sender in left] == [f"ela@{firma.name}"]
    plane.apply()
    for sender in (f"ela@{firma.name}", post.ola.address, post.ola.address):
        post.write(jan.address, sender=sender)
    post.arrived(jan, 5)
    post.answers(3)
    wait_until(lambda: listed_count(plane, panel) == 2, what="who was forgotten, in the list again")


def listed_count(plane: MailInstance, panel: Client) -> int:
    """The line of the log follows the reply."""
    read_last_logins(plane.node(), plane.host)
    return len(panel.get("/autoresponder/").context["answered"])


def test_VAC_06_a_moved_clock_passes_both_ends(plane: MailInstance, jan: Account) -> None:
    today = timezone.localdate()
    set_in_panel(jan, starts_on=today.isoformat(), ends_on=(today + timedelta(days=3)).isoformat())
    plane.apply()
    before, first = (
        datetime.combine(today, time(0)) - timedelta(seconds=5),
        datetime.combine(today, time(0, 1)),
    )
    assert [answers_at(plane, jan, when) for when in (before, first)] == [False, True]
    last, after = first + timedelta(days=4, minutes=-2), first + timedelta(days=4)
    assert [answers_at(plane, jan, when) for when in (last, after)] == [True, False]


def answers_at(plane: MailInstance, account: Account, when: datetime, *headers: str) -> bool:
    """Whether the live script answers when the machine's clock, which runs in UTC, is moved there."""
    utc = timezone.make_aware(when).astimezone(UTC)
    message = plane.layout.state / "moved.eml"
    message.write_text(letter("pytanie", headers=headers).replace("kto@example.org", account.address))
    # Dovecot's programs start anew with a clean environment.
    argv = ["env", "TZ=UTC", "DOVECOT_PRESERVE_ENVS=LD_PRELOAD FAKETIME FAKETIME_SHARED TZ"]
    argv += ["faketime", "-f", f"@{utc:%Y-%m-%d %H:%M:%S}", "sieve-test"]
    argv += ["-c", str(plane.layout.etc / "dovecot" / "dovecot.conf"), "-u", account.address]
    argv += ["-f", "ktos@obcy.example", "-r", account.address]
    argv += [str(plane.layout.sieve / f"{account.home}.sieve"), str(message)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    assert "Performed actions" in done.stdout
    return "send vacation message" in done.stdout


def test_VAC_09_what_this_server_calls_spam_gets_no_answer(plane: MailInstance, jan: Account) -> None:
    set_in_panel(jan)
    plane.apply()
    now = timezone.localtime().replace(tzinfo=None)
    assert answers_at(plane, jan, now)
    assert not answers_at(plane, jan, now, "X-Spam-Flag: YES")


def test_VAC_03_text_is_stable_under_open_and_save(jan: Account) -> None:
    for _time in range(5):
        found = Autoresponder.objects.filter(account=jan).first()
        set_in_panel(jan, text=found.text if found else "CRLF\r\nLF\nCR\rpusta:\r\n\r\nspacje   \nbez końca")
    assert Autoresponder.objects.get(account=jan).text == "CRLF\nLF\nCR\npusta:\n\nspacje   \nbez końca"


def test_VAC_06_after_the_end_nothing_is_answered_and_nothing_runs(
    plane: MailInstance, post: Post, jan: Account
) -> None:
    set_in_panel(jan, ends_on=timezone.localdate().isoformat())
    over = timezone.localdate() - timedelta(days=30)
    Autoresponder.objects.filter(account=jan).update(ends_on=over)
    plane.applier().apply_all(confirm_deletions=True)
    post.write(jan.address)
    post.arrived(jan, 1)
    script = plane.layout.sieve / f"{jan.home}.sieve"
    assert script.exists()
    assert actions.end_autoresponders(by=Actor.task()) == 1
    plane.apply()
    assert not script.exists()
    assert "zakończona" in logged_in(jan).get("/autoresponder/").content.decode()
    set_in_panel(jan, ends_on=timezone.localdate().isoformat())
    plane.apply()
    post.write(jan.address)
    post.answers(1)


def test_VAC_07_every_name_of_the_owner_is_answered_for(
    plane: MailInstance, post: Post, firma: Domain, jan: Account, console: Actor
) -> None:
    set_in_panel(jan)
    plane.apply()
    actions.add_alias(domain=firma, localpart="biuro", targets=[jan.address], by=console)
    domain_actions.add_domain_alias(firma, name=f"alias-{firma.name}", by=console)
    plane.apply()
    paths = [f"biuro@{firma.name}", f"jan@alias-{firma.name}", f"jan+praca@{firma.name}"]
    for number, path in enumerate(paths, 1):
        actions.forget_answered(jan, by=console)
        plane.apply()
        post.write(path)
        assert str(post.answers(number)[-1]["From"]) == f"Jan Żak <{jan.address}>"
    actions.forget_answered(jan, by=console)
    plane.apply()
    post.write(jan.address, to="ktos@inny.example")
    post.arrived(jan, 4)
    post.answers(3)


def test_VAC_08_two_that_are_away_do_not_talk_to_each_other(
    plane: MailInstance, post: Post, jan: Account, ola: Account
) -> None:
    set_in_panel(jan, every="1", unit="hours")
    set_in_panel(ola, every="1", unit="hours")
    plane.apply()
    post.write(jan.address)
    post.answers(1)
    post.arrived(jan, 1)


def test_VAC_09_lists_and_robots_get_no_answer(
    plane: MailInstance, post: Post, firma: Domain, jan: Account, console: Actor
) -> None:
    actions.add_alias(domain=firma, localpart="no-reply", targets=[post.ola.address], by=console)
    set_in_panel(jan)
    plane.apply()
    headers = [
        "List-Id: <lista.example.org>",
        "Auto-Submitted: auto-generated",
        "Precedence: bulk",
        "Auto-Submitted: auto-replied (vacation)",
        "List-Unsubscribe: <mailto:u@example.org>",
        "X-Auto-Response-Suppress: All",
        "X-Autoreply: yes",
    ]
    for header in headers:
        post.write(jan.address, header)
    post.write(jan.address, sender=f"no-reply@{firma.name}")
    post.arrived(jan, 8)
    post.write(jan.address)
    post.answers(1)


def test_VAC_11_a_long_subject_with_a_break_is_one_encoded_line(
    plane: MailInstance, post: Post, jan: Account
) -> None:
    subject = "Nieobecność Bcc: x@x.example " + "ż" * 220
    set_in_panel(jan, subject=subject.replace(" Bcc", "\r\nBcc"))
    plane.apply()
    post.write(jan.address)
    answer = post.answers(1)[0]
    assert str(answer["Subject"]) == subject
    assert answer["Bcc"] is None
    typed = {"is_on": "on", "subject": "ż" * 300, "text": "x", "every": "7", "unit": "days"}
    assert logged_in(jan).post("/autoresponder/", typed).status_code == 200
    assert Autoresponder.objects.get(account=jan).subject == subject
