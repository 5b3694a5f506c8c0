"""Acts on many accounts, through the page: a question first, then all of them or none."""

from __future__ import annotations

import csv
import io
import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts import actions, bulk_jobs
from accounts.actions import MOST_DELETED
from accounts.actor import Actor
from accounts.models import Account, Alias, BulkJob, DeletedMailbox, Notice
from audit.models import AuditEvent
from domains import actions as domain_actions
from domains.models import Domain
from provisioning.models import Change
from tests.conftest import PASSWORD
from tests.db.test_panel import logged_in, plain_static

__all__ = ["plain_static"]
ACT = "/domain/firma.test/accounts/act/"
GIBIBYTE = 1024**3


@pytest.fixture
def pair(firma: Domain, console: Actor) -> list[Account]:
    return [
        actions.add_account(domain=firma, localpart=localpart, password=PASSWORD, by=console)
        for localpart in ("adam", "beata")
    ]


@pytest.fixture
def client(pola: Account) -> Client:
    Account.objects.filter(pk=pola.pk).update(language="en")
    return logged_in(pola)


def asked(act: str, people: list[Account], **typed: str) -> dict[str, object]:
    """As the question's own form answers."""
    chosen = [person.pk for person in people]
    return {"act": act, "chosen": chosen, "count": str(len(chosen)), **typed}


def states(people: list[Account]) -> list[str]:
    return [Account.objects.get(pk=person.pk).state for person in people]


def test_the_list_offers_acts_and_the_question_names_whom(client: Client, pair: list[Account]) -> None:
    page = client.get("/domain/firma.test/accounts/").content.decode()
    assert page.count('name="chosen"') == 3
    question = client.post(ACT, {"act": "lock", "chosen": [person.pk for person in pair]}).content.decode()
    assert "Lock 2 accounts" in question
    assert "adam@firma.test" in question
    assert states(pair) == ["active", "active"], "asked, not done"


def test_lock_and_unlock(client: Client, pair: list[Account], pola: Account) -> None:
    Change.objects.all().delete()
    answer = client.post(ACT, asked("lock", pair, mode="defer", reason="urlop"))
    assert answer.status_code == 302
    assert states(pair) == ["locked", "locked"]
    person = Account.objects.get(pk=pair[0].pk)
    assert (person.lock_mode, person.lock_reason, person.locked_by) == ("defer", "urlop", pola.address)
    assert Change.objects.get().keys == ["adam@firma.test", "beata@firma.test"], "one order for both"
    events = AuditEvent.objects.filter(action="account.locked")
    assert {event.target for event in events} == {"adam@firma.test", "beata@firma.test"}
    client.post(ACT, asked("unlock", pair))
    assert states(pair) == ["active", "active"]


def test_quota_within_the_limits_of_the_domain(
    client: Client, pair: list[Account], firma: Domain, console: Actor
) -> None:
    client.post(ACT, asked("quota", pair, quota="2 GB"))
    assert {person.quota_bytes for person in Account.objects.filter(pk__in=[p.pk for p in pair])} == {
        2 * GIBIBYTE
    }
    limit = {"max_quota_bytes": 6 * GIBIBYTE}
    domain_actions.edit_domain(firma, settings=limit, by=console)
    refused = client.post(ACT, asked("quota", pair, quota="9 GB")).content.decode()
    assert "of its quota left" in refused
    assert Account.objects.get(pk=pair[0].pk).quota_bytes == 2 * GIBIBYTE
    assert client.post(ACT, asked("quota", pair, quota="1 GB")).status_code == 302


def test_delete_asks_for_the_number_and_is_all_or_nothing(
    client: Client, pair: list[Account], firma: Domain, console: Actor
) -> None:
    alias = actions.add_alias(domain=firma, localpart="biuro", targets=["beata@firma.test"], by=console)
    assert "another number" in client.post(ACT, asked("delete", pair, typed="3")).content.decode()
    assert "biuro@firma.test" in client.post(ACT, asked("delete", pair, typed="2")).content.decode()
    assert Account.objects.filter(pk__in=[p.pk for p in pair]).count() == 2
    assert client.post(ACT, asked("delete", pair, typed="2", with_aliases="on")).status_code == 302
    assert not Account.objects.filter(pk__in=[p.pk for p in pair]).exists()
    assert not type(alias).objects.filter(pk=alias.pk).exists()
    assert DeletedMailbox.objects.count() == 2


def test_random_passwords_are_shown_once_to_the_same_person(
    client: Client, pair: list[Account], pola: Account, root: Account
) -> None:
    answer = client.post(ACT, asked("password", pair))
    job = BulkJob.objects.get()
    assert answer.headers["Location"] == f"/domain/firma.test/bulk/{job.uuid}/"
    assert "being set" in client.get(answer.headers["Location"]).content.decode()
    bulk_jobs.run_bulk_job(job.pk)
    page = client.get(answer.headers["Location"]).content.decode()
    assert "2 passwords set" in page
    assert logged_in(root).post(f"{answer.headers['Location']}passwords.csv").status_code == 404
    first = client.post(f"{answer.headers['Location']}passwords.csv")
    rows = list(csv.DictReader(io.StringIO(first.content.decode("utf-8-sig"))))
    assert [row["address"] for row in rows] == ["adam@firma.test", "beata@firma.test"]
    assert client.post(f"{answer.headers['Location']}passwords.csv").status_code == 302
    for row in rows:
        person = Account.objects.get(address=row["address"])
        assert person.check_password(row["password"])
        assert person.must_change_password
        assert Notice.objects.filter(account=person, kind="password").count() == 1
    slips = client.post(f"{answer.headers['Location']}slips/").content.decode()
    assert rows[0]["password"] in slips
    texts = [str(event.details) for event in AuditEvent.objects.all()]
    assert not any(row["password"] in text for row in rows for text in texts)


def test_own_password_is_judged_before_anything_is_done(client: Client, pair: list[Account]) -> None:
    assert "at least 8" in client.post(ACT, asked("password", pair, password="x")).content.decode()
    assert not BulkJob.objects.exists()
    client.post(ACT, asked("password", pair, password="Calkiem-Nowe-9"))
    bulk_jobs.run_bulk_job(BulkJob.objects.get().pk)
    assert all(Account.objects.get(pk=p.pk).check_password("Calkiem-Nowe-9") for p in pair)


def test_export_is_the_selection_alone(client: Client, pair: list[Account]) -> None:
    answer = client.post(ACT, {"act": "export", "chosen": [pair[1].pk]})
    text = b"".join(answer.streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
    assert [row["Address"] for row in csv.DictReader(io.StringIO(text))] == ["beata@firma.test"]


def test_everything_that_the_list_shows(client: Client, pair: list[Account], console: Actor) -> None:
    typed = {"act": "lock", "everything": "yes", "q": "adam", "filter": ""}
    assert "Lock 1 account" in client.post(ACT, typed).content.decode()
    client.post(ACT, {**typed, "count": "1", "mode": "accept"})
    assert states(pair) == ["locked", "active"]


def test_a_selection_that_has_changed_is_asked_about_again(client: Client, pair: list[Account]) -> None:
    typed = {"act": "lock", "everything": "yes", "q": "", "filter": "", "mode": "accept", "count": "3"}
    assert "Lock 2 accounts" in client.post(ACT, typed).content.decode()
    assert states(pair) == ["active", "active"]


def test_nothing_chosen_says_so(client: Client) -> None:
    answer = client.post(ACT, {"act": "lock"}, follow=True)
    assert "No account is chosen" in answer.content.decode()


def test_own_account_is_left_out(client: Client, pair: list[Account], pola: Account) -> None:
    for act, typed in (("lock", {"mode": "accept"}), ("delete", {"typed": "3", "with_aliases": "on"})):
        page = client.post(ACT, asked(act, [*pair, pola], **typed)).content.decode()
        assert "Your own account is among them" in page
    assert states([*pair, pola]) == ["active"] * 3


@pytest.mark.parametrize("act", ["lock", "unlock", "quota", "delete"])
def test_PRM_01_one_with_more_rights_among_them_refuses_all(
    act: str, client: Client, pair: list[Account], obca: Domain, console: Actor
) -> None:
    domain_actions.set_managers(obca, addresses=[pair[1].address], by=console)
    typed = {"mode": "accept", "quota": "7", "typed": "2", "with_aliases": "on"}
    page = client.post(ACT, asked(act, pair, **typed))
    assert "beata@firma.test has more rights than you" in page.content.decode()
    assert states(pair) == ["active", "active"]
    assert Account.objects.get(pk=pair[0].pk).quota_bytes == pair[0].quota_bytes


def test_PRM_02_accounts_of_others_are_not_among_the_chosen(
    client: Client, pair: list[Account], obcy: Account
) -> None:
    page = client.post(ACT, {"act": "lock", "chosen": [pair[0].pk, obcy.pk]}).content.decode()
    assert "Lock 1 account" in page
    assert obcy.address not in page
    assert logged_in(obcy).post(ACT, asked("lock", pair, mode="accept")).status_code == 404


def test_help_desk_unlocks_and_nothing_else(
    pair: list[Account], hela: Account, audyt: Account, console: Actor
) -> None:
    actions.lock_account(pair[0], by=console)
    page = logged_in(hela).get("/domain/firma.test/accounts/").content.decode()
    assert re.findall(r'<option value="(\w+)">', page.partition('name="act"')[2]) == ["unlock", "export"]
    for act in ("lock", "quota", "password", "delete"):
        assert logged_in(hela).post(ACT, asked(act, pair)).status_code == 403
    assert logged_in(audyt).post(ACT, asked("unlock", pair)).status_code == 403
    assert logged_in(hela).post(ACT, asked("unlock", pair)).status_code == 302
    assert states(pair) == ["active", "active"]


def test_not_while_acting_for_somebody_else(root: Account, pola: Account, pair: list[Account]) -> None:
    by = Actor(real=root, channel="panel", acting_as=pola)
    with pytest.raises(Exception, match="behalf of somebody else"):
        actions.set_passwords(pair[0].domain, {pair[0].pk: pair[0].password}, by=by)  # type: ignore[arg-type]


def test_a_thousand_are_locked_in_a_few_queries(firma: Domain, pair: list[Account], console: Actor) -> None:
    rows = [actions.NewAccount(firma, f"k{number:04}", pair[0].password) for number in range(1000)]
    actions.add_accounts(rows, by=console)
    chosen = list(Account.objects.filter(domain=firma).values_list("pk", flat=True))
    with CaptureQueriesContext(connection) as done:
        assert actions.lock_accounts(firma, chosen, by=console) == 1002
    assert len(done) < 20


@pytest.fixture
def crowd(firma: Domain, pair: list[Account], console: Actor) -> list[int]:
    """More than one act deletes."""
    rows = [actions.NewAccount(firma, f"k{number:04}", pair[0].password) for number in range(MOST_DELETED)]
    actions.add_accounts(rows, by=console)
    names = [row.localpart for row in rows]
    return list(Account.objects.filter(domain=firma, localpart__in=names).values_list("pk", flat=True))


def everything(search: str, count: int, **typed: str) -> dict[str, object]:
    """All that a search finds, as the question's own form answers."""
    return {"act": "delete", "everything": "yes", "q": search, "count": str(count), **typed}


def test_all_that_the_list_finds_are_deleted_in_the_background(
    client: Client, crowd: list[int], pair: list[Account], pola: Account
) -> None:
    """The own account is not among them, and each is in the audit by its name."""
    question = client.post(ACT, {"act": "delete", "everything": "yes", "q": ""}).content.decode()
    assert f"Delete {MOST_DELETED + 2} accounts" in question
    assert "one after the other, in the background" in question
    assert "Your own account is left out" in question
    answer = client.post(ACT, everything("", MOST_DELETED + 2, typed=str(MOST_DELETED + 2)))
    job = BulkJob.objects.get()
    assert answer.headers["Location"] == f"/domain/firma.test/bulk/{job.uuid}/"
    assert "Accounts are being deleted" in client.get(answer.headers["Location"]).content.decode()
    assert Account.objects.filter(pk__in=crowd).count() == MOST_DELETED, "asked of a worker, not done yet"
    bulk_jobs.run_bulk_job(job.pk)
    assert f"{MOST_DELETED + 2} accounts deleted" in client.get(answer.headers["Location"]).content.decode()
    assert list(Account.objects.filter(domain__name="firma.test")) == [pola]
    events = AuditEvent.objects.filter(action="account.deleted", real=pola.address)
    assert events.count() == MOST_DELETED + 2
    assert DeletedMailbox.objects.count() == MOST_DELETED + 2


def test_deletion_of_many_is_refused_before_the_first_for_an_alias_left_alone(
    client: Client, crowd: list[int], firma: Domain, console: Actor
) -> None:
    two = ["k0000@firma.test", "k0199@firma.test"]
    actions.add_alias(domain=firma, localpart="biuro", targets=two, by=console)
    actions.add_alias(domain=firma, localpart="zostaje", targets=[*two, "x@daleko.example"], by=console)
    typed = everything("", MOST_DELETED + 2, typed=str(MOST_DELETED + 2))
    page = client.post(ACT, typed).content.decode()
    assert "change them first: biuro@firma.test<" in page
    assert not BulkJob.objects.exists()
    assert Account.objects.filter(pk__in=crowd).count() == MOST_DELETED
    client.post(ACT, {**typed, "with_aliases": "on"})
    bulk_jobs.run_bulk_job(BulkJob.objects.get().pk)
    assert not Account.objects.filter(pk__in=crowd).exists()
    assert not Alias.objects.filter(address="biuro@firma.test").exists()


def deletion_of_all(client: Client) -> BulkJob:
    """Confirmed, and not yet done."""
    client.post(ACT, everything("", MOST_DELETED + 2, typed=str(MOST_DELETED + 2)))
    return BulkJob.objects.get()


def test_a_few_that_a_search_finds_are_deleted_at_once(client: Client, crowd: list[int]) -> None:
    client.post(ACT, everything("k0", MOST_DELETED, typed=str(MOST_DELETED)))
    assert not BulkJob.objects.exists()
    assert not Account.objects.filter(pk__in=crowd).exists()


def test_deletion_goes_on_where_a_dead_worker_left_it(
    client: Client, crowd: list[int], firma: Domain, console: Actor
) -> None:
    """Each part is a commit of its own, so the next worker finds some of the chosen gone."""
    job = deletion_of_all(client)
    actions.delete_accounts(firma, crowd[:60], by=console)
    bulk_jobs.run_bulk_job(job.pk)
    job.refresh_from_db()
    assert (job.state, job.done_count) == ("done", MOST_DELETED + 2)
    assert Account.objects.filter(domain=firma).count() == 1


def test_deletion_that_is_refused_on_its_way_says_what_is_deleted(
    client: Client, crowd: list[int], obca: Domain, console: Actor
) -> None:
    job = deletion_of_all(client)
    domain_actions.set_managers(obca, addresses=["k0120@firma.test"], by=console)
    bulk_jobs.run_bulk_job(job.pk)
    page = client.get(f"/domain/firma.test/bulk/{job.uuid}/").content.decode()
    assert "100 accounts deleted" in page
    assert "Of 202 chosen accounts, the others are as they were. k0120@firma.test has more rights" in page
    assert Account.objects.filter(domain__name="firma.test").count() == 103


def test_deletion_can_be_stopped(client: Client, crowd: list[int]) -> None:
    job = deletion_of_all(client)
    client.post(f"/domain/firma.test/bulk/{job.uuid}/cancel/")
    bulk_jobs.run_bulk_job(job.pk)
    assert Account.objects.filter(pk__in=crowd).count() == MOST_DELETED
    assert "0 accounts deleted" in client.get(f"/domain/firma.test/bulk/{job.uuid}/").content.decode()
