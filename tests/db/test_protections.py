"""What goes past the protections, updates, and what the spam check said: actions and pages."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from django.core.management import call_command
from django.utils.html import escape

from accounts import actions as account_actions
from accounts.actor import Actor
from accounts.models import Account
from antispam.actions import allow_past, ask_for_update, ask_to_teach, stop_allowing
from antispam.models import AllowedPast, PartState, TaughtBatch, TeachRequest, UpdateRun
from antispam.protections import KINDS, PAST_WORDS
from audit.models import AuditEvent
from domains.models import Domain
from maillog.models import Entry, EntryLines, Party, Role
from provisioning.models import Node
from provisioning.protections import server_protections
from provisioning.updates import waiting
from qmailux_site.errors import ActionRefused
from tests.conftest import PASSWORD
from tests.db.test_panel import logged_in, plain_static

__all__ = ["plain_static"]
pytestmark = pytest.mark.django_db(databases=["default", "logs"])


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        (" 192.0.2.7/24 ", ("network", "192.0.2.0/24")),
        ("2001:DB8::1", ("network", "2001:db8::1/128")),
        ("Raporty@Firma.Example", ("sender", "raporty@firma.example")),
        ("@firma.example", ("sender", "firma.example")),
    ],
)
def test_what_goes_past_is_kept_in_one_form(console: Actor, typed: str, stored: tuple[str, str]) -> None:
    entry = allow_past(typed, by=console)
    assert (str(entry.kind), entry.value) == stored
    assert [allowed.value for allowed in server_protections().allowed] == [stored[1]]


@pytest.mark.parametrize(
    "typed", ["0.0.0.0/0", "::/0", "*", "*@*.example", "a b@c.example", "", "10.0.0.0/7"]
)
def test_what_would_let_the_world_past_is_refused(console: Actor, typed: str) -> None:
    with pytest.raises(ActionRefused) as refusal:
        allow_past(typed, by=console)
    assert refusal.value.field == "value"
    assert not AllowedPast.objects.exists()


def test_it_is_added_and_removed_on_the_page_and_audited(root: Account) -> None:
    client = logged_in(root)
    client.post("/server/protections/allowed/add/", {"value": "192.0.2.0/24", "passes_viruses": "on"})
    page = client.get("/server/protections/")
    assert [(entry.value, entry.passes_viruses) for entry in page.context["allowed"]] == [
        ("192.0.2.0/24", True)
    ]
    answer = client.post("/server/protections/allowed/add/", {"value": "0.0.0.0/0"})
    assert "value" in answer.context["allowed_form"].errors
    client.post("/server/protections/allowed/remove/", {"value": "192.0.2.0/24"})
    assert not AllowedPast.objects.exists()
    actions = AuditEvent.objects.filter(target="192.0.2.0/24").values_list("action", flat=True)
    assert set(actions) == {"protection.allowed", "protection.not_allowed"}


def test_the_page_and_the_command_say_of_each_what_goes_past_it(
    root: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    cards = (
        logged_in(root).get("/server/protections/").content.decode().split('<section class="card protection"')
    )
    assert len(cards) == len(KINDS) + 1
    for kind, card in zip(KINDS, cards[1:], strict=True):
        assert escape(str(PAST_WORDS[kind.past])) in card
        assert escape(str(kind.why_not)) in card
    call_command("protection", "list", "--json")
    told = {row["name"]: row["goes past"] for row in json.loads(capsys.readouterr().out)}
    assert told == {kind.name: str(kind.past) for kind in KINDS}
    call_command("protection", "list")
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("helo  "))
    assert line.startswith("helo  on  recipient  goes past: networks, senders  stopped today: 0")


def test_stopping_to_allow_what_is_not_allowed_is_refused(console: Actor) -> None:
    with pytest.raises(ActionRefused):
        stop_allowing("192.0.2.0/24", by=console)


def test_the_command_lets_past_and_asks_for_updates(capsys: pytest.CaptureFixture[str]) -> None:
    Node.objects.get_or_create(name="local")
    call_command("protection", "allow", "192.0.2.0/24", "--viruses-too")
    call_command("protection", "allowed")
    assert "192.0.2.0/24" in capsys.readouterr().out
    call_command("protection", "disallow", "192.0.2.0/24")
    call_command("protection", "update", "rules")
    assert [run.kind for run in waiting()] == ["rules"]


def test_an_update_that_is_asked_for_twice_runs_once(console: Actor) -> None:
    Node.objects.get_or_create(name="local")
    ask_for_update(UpdateRun.Kind.RULES, by=console)
    ask_for_update(UpdateRun.Kind.RULES, by=console)
    assert len(waiting()) == 1


def test_the_page_shows_whether_parts_run_and_what_was_updated(root: Account) -> None:
    node = Node.objects.get_or_create(name="local")[0]
    now = datetime.now(UTC)
    PartState.objects.create(node=node, name="spamd", fault="No such file or directory")
    PartState.objects.create(node=node, name="clamd")
    PartState.objects.create(node=node, name="rules", facts={"version": "1900", "made_at": str(now)})
    UpdateRun.objects.create(node=node, kind="rules", began_at=now, ended_at=now, error="channel: no mirror")
    page = logged_in(root).get("/server/protections/")
    rows = {row["kind"].name: row for row in page.context["rows"]}
    assert (rows["spamassassin"]["part"].fault, rows["clamav"]["part"].fault) == (
        "No such file or directory",
        "",
    )
    text = page.content.decode()
    assert "channel: no mirror" in text
    assert "1900" in text


def scanned(account: Account, other: Account) -> None:
    """One message to both, of which the account's copy was spam."""
    now = datetime.now(UTC)
    stamp = now.strftime("%Y-%m-%dT%H:%M:%S+0000")
    entry = Entry.objects.create(
        id=500,
        kind="message",
        began_at=now,
        last_at=now,
        is_open=False,
        sender="okazja@sklep.example",
        subject="Okazja",
        message_id="<1@sklep.example>",
        verdict="delivered",
        handling="tagged,spam-folder",
    )
    for person in (account, other):
        localpart, _at, domain = person.address.partition("@")
        Party.objects.create(entry=entry, address=f"{localpart}@{domain}", domain=domain, role=Role.RECIPIENT)
    told = [
        f"{stamp} lmtp({account.address})<1><abc>: Info: sieve: DEBUG: scan: Yes, score=7.1 required=5.0 "
        "tests=BAYES_99,QX_NEW autolearn=disabled languages=pl",
        f"{stamp} lmtp({account.address})<1><abc>: Info: sieve: from=okazja@sklep.example "
        "msgid=<1@sklep.example> size=591 vsize=609 subject=Okazja in session=1ms delivery=4ms: "
        "fileinto action: stored mail into mailbox 'SPAM'",
        f"{stamp} lmtp({other.address})<1><abc:R2>: Info: sieve: DEBUG: scan: No, score=1.0 required=5.0 "
        "tests=HTML_MESSAGE autolearn=disabled languages=pl",
    ]
    EntryLines.objects.create(entry=entry, text="\n".join(told))


def test_the_user_sees_what_the_own_copy_scored_and_why(ala: Account, pola: Account) -> None:
    scanned(ala, pola)
    page = logged_in(ala).get("/spam/messages/")
    assert [(one.score, one.is_spam, one.went_to_spam) for one in page.context["verdicts"]] == [
        ("7.1", True, True)
    ]
    reasons = {reason.rule: reason.words for reason in page.context["verdicts"][0].reasons}
    assert reasons["BAYES_99"]
    assert reasons["QX_NEW"] == ""
    assert [one.score for one in logged_in(pola).get("/spam/messages/").context["verdicts"]] == ["1.0"]


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ("GTUBE,QM_DENY_SERVER_ADDRESS,QM_DENY_USER_DOMAIN", "sender on your list of spam"),
        ("GTUBE", "7.1 points of 5.0"),
    ],
)
def test_a_list_that_decided_is_said_instead_of_its_weight(
    ala: Account, pola: Account, rules: str, said: str
) -> None:
    scanned(ala, pola)
    Account.objects.update(language="en")
    lines = EntryLines.objects.get()
    lines.text = lines.text.replace("BAYES_99,QX_NEW", rules)
    lines.save()
    page = logged_in(ala).get("/spam/messages/").content.decode()
    assert f'<span class="badge bad">{said}</span>' in page
    assert page.count("points of") == said.count("points of")


def test_a_name_that_ends_like_another_ones_hides_nothing_of_ones_own(
    pola: Account, firma: Domain, console: Actor
) -> None:
    ola = account_actions.add_account(domain=firma, localpart="ola", password=PASSWORD, by=console)
    scanned(pola, ola)
    assert [one.score for one in logged_in(pola).get("/spam/messages/").context["verdicts"]] == ["7.1"]
    assert [one.score for one in logged_in(ola).get("/spam/messages/").context["verdicts"]] == ["1.0"]


def test_a_click_teaches_once(ala: Account) -> None:
    client = logged_in(ala)
    for _click in range(2):
        answer = client.post("/spam/teach/", {"message_id": "<1@sklep.example>", "kind": "ham"})
        assert answer.status_code == 302
    assert TeachRequest.objects.filter(account=ala, kind="ham").count() == 1


@pytest.mark.parametrize("message_id", ["", "<>", '<a"b@c>', "<a\\@b>", "<a\n@b>", "<ż@b>", "x" * 601])
def test_what_is_no_message_id_is_not_searched_for(ala: Account, message_id: str) -> None:
    by = Actor(real=ala, channel="panel")
    with pytest.raises(ActionRefused):
        ask_to_teach(ala, message_id=message_id, kind=TaughtBatch.Kind.SPAM, by=by)
