"""The postmaster's and superadmin's pages of activity, acting for somebody, bulk files and deleted mailboxes,
as tests/browser/test_pages.py looks at the others.
"""

from __future__ import annotations

import re

import pytest
from django.utils import timezone
from playwright.sync_api import Browser
from pytest_django.live_server_helper import LiveServer

from accounts import actions, bulk_jobs
from accounts.actor import Actor
from accounts.models import Account, BulkJob
from alarms.actions import acknowledge_alarm, clear_alarm, raise_alarm, set_alarm_settings
from alarms.models import AlarmMessage
from domains.models import Domain
from domains.numbers import ServerNumbers, recount_changed
from provisioning.models import Inspection, Node, NodeReport
from tests.browser.looks import LOOKS, Look, Place, Visit, see_all, visit
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "logs"])

TEXT = "address,name,password\nanna,Anna Żak,\njan,Jan,Tajne-Haslo-5\n" + "".join(
    f"k{number:03},,\n" for number in range(200)
)
FAULTY = "address,password\nola,\nzly adres,\nx@obca.example,abc\n"
FOUND = {
    "is_rendered": True,
    "attempts": [
        {"at": "2026-11-25T12:00:00.000000Z", "service": "imap", "source": "192.0.2.7", "reason": "password"},
        {"at": "2026-11-25T11:00:00.000000Z", "service": "smtp", "source": "2001:db8::7", "reason": ""},
    ],
    "without_tls": [],
    "queued": [
        {
            "queue_id": "A1",
            "sender": "ktos@bardzo-dlugi.example",
            "recipient": "ola@xn--w-uga1v8h.example",
            "words": "connect to [203.0.113.9]:25: Connection timed out",
        }
    ],
    "deliveries": [
        {
            "time": "Nov 25 12:00:00",
            "direction": "in",
            "other": "ktos@obcy.example",
            "status": "sent",
            "words": "250 2.0.0 <ola@xn--w-uga1v8h.example> Saved",
        }
    ],
    "own_script_discards": True,
}


@pytest.fixture
def places(people: dict[str, Account]) -> list[Place]:
    """Who looks at what, under which name."""
    domain = Domain.objects.get()
    console, by = Actor.console(), Actor(real=people["pola"], channel="panel")
    gone = actions.add_account(domain=domain, localpart="dawna", password=PASSWORD, by=console)
    actions.delete_account(gone, by=by)
    Inspection.objects.create(account=people["ola"], found=FOUND, answered_at=timezone.now())

    _alarms()

    def job(kind: str = "accounts") -> BulkJob:
        return bulk_jobs.prepare_bulk_job(kind, TEXT.encode(), domain_name=domain.name, total=202, by=by)

    checked, running, done, failed = job(), job(), job(), job()
    deleting, stopped = job("delete"), job("delete")
    BulkJob.objects.filter(pk=deleting.pk).update(done_count=61)
    BulkJob.objects.filter(pk=stopped.pk).update(state="failed", done_count=100, error="Cancelled.")
    BulkJob.objects.filter(pk=running.pk).update(state="running", done_count=61)
    BulkJob.objects.filter(pk=done.pk).update(state="done", done_count=202)
    BulkJob.objects.filter(pk=failed.pk).update(state="failed", error="Cancelled.")
    root, account = f"/domain/{domain.name}", f"/domain/{domain.name}/accounts/{people['ola'].pk}"
    return [
        ("pola", "/activity/", "activity"),
        ("pola", "/sessions/", "sessions"),
        ("root", "/server/sessions/", "server-sessions"),
        ("root", "/server/alarms/", "alarms"),
        ("root", "/server/", "server-seen"),
        ("root", "/domains/", "domains-counted"),
        ("root", "/admin/", "admin"),
        ("root", "/admin/accounts/account/", "admin-accounts"),
        ("root", f"/admin/accounts/account/{people['ola'].pk}/change/", "admin-account"),
        ("root", "/server/alarms/settings/", "alarm-settings"),
        ("pola", f"{root}/audit/", "domain-audit"),
        ("root", "/server/audit/", "server-audit"),
        ("pola", f"/impersonate/{Account.objects.get(localpart='c' * 64).pk}/", "impersonate"),
        ("pola", f"{root}/accounts/add-many/", "bulk"),
        ("pola", f"{root}/aliases/add-many/", "bulk-aliases"),
        ("pola", f"{root}/bulk/{checked.uuid}/", "bulk-preview"),
        ("pola", f"{root}/bulk/{running.uuid}/", "bulk-running"),
        ("pola", f"{root}/bulk/{done.uuid}/", "bulk-done"),
        ("pola", f"{root}/bulk/{failed.uuid}/", "bulk-failed"),
        ("pola", f"{root}/bulk/{deleting.uuid}/", "deletion-running"),
        ("pola", f"{root}/bulk/{stopped.uuid}/", "deletion-stopped"),
        ("pola", f"{root}/deleted/", "deleted"),
        ("pola", f"{account}/check/", "check"),
        ("pola", f"{account}/", "account"),
        ("pola", f"{root}/", "domain"),
    ]


SEEN = {
    "daemons": [
        {"name": "postfix", "fault": "", "log": "/var/log/mail.log"},
        {"name": "dovecot", "fault": "", "log": "/var/log/dovecot.log"},
        {"name": "spamd", "fault": "Connection refused", "log": "/var/lib/qmailux/node/log/spamd.log"},
    ],
    "queued": 4711,
    "disk": {"size": 10**12, "free": 4 * 10**10, "free_percent": 4},
    "certificates": [{"name": "certificate", "level": "warning", "text": "valid for 3 days"}],
    "signatures": {"version": "27456", "made_at": "2026-11-01T00:00:00+00:00"},
}


def _alarms() -> None:
    """One that nobody takes care of, one that somebody does, one that is over, one that could not be told."""
    set_alarm_settings(
        mail_addresses=["ops@elsewhere.example"], webhook_url="https://hooks.example/x", by=Actor.console()
    )
    NodeReport.objects.create(node=Node.objects.get(), found=SEEN, looked_at=timezone.now())
    recount_changed()
    ServerNumbers.objects.update(promised_bytes=2 * 10**12)
    raise_alarm("daemon.down", about="local spamd", why="Connection refused", log="/var/log/spamd.log")
    acknowledge_alarm(raise_alarm("disk.low", about="local", free="2 GB", share=4), by=Actor.console())
    over = raise_alarm("queue.long", about="local", count=4711, limit=500)
    clear_alarm("queue.long", about="local")
    AlarmMessage.objects.create(
        alarm=over, channel="webhook", event="raised", error="Connection refused " * 20
    )


@pytest.mark.parametrize("look", LOOKS, ids=str)
def test_postmasters_pages_hold_at_every_width_and_in_both_languages(
    live_server: LiveServer, browser: Browser, people: dict[str, Account], places: list[Place], look: Look
) -> None:
    see_all(browser, live_server.url, people, places, look)
    with visit(browser, live_server.url, people, "pola", look) as visited:
        visited.goto(f"/domain/{Domain.objects.get().name}/accounts/add-many/")
        visited.page.fill("textarea", FAULTY)
        visited.page.click("main form button")
        visited.see("bulk-faults")
        _act_for_somebody(visited)


def _act_for_somebody(visited: Visit) -> None:
    """In by the form, the question for writing, out by one click."""
    page = visited.page
    visited.goto(f"/impersonate/{Account.objects.get(localpart='c' * 64).pk}/")
    page.fill("input[name=reason]", "Prośba o pomoc z autoresponderem")
    page.click("main form button")
    assert page.locator(".acting").is_visible()
    visited.see("acting")
    visited.goto("/impersonation/writing/")
    visited.see("acting-writing")
    page.click("main form button")
    assert page.locator(".acting").is_visible()
    page.click(".acting form button")
    page.wait_for_url(re.compile(r"/accounts/\d+/"))
    assert page.locator(".acting").count() == 0
