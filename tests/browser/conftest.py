"""Pages by a live server of Django's."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts import actions
from accounts.actor import Actor
from accounts.models import Account
from antispam.actions import allow_past
from antispam.models import PartState, UpdateRun
from domains import actions as domain_actions
from maillog.ingest import Ingester
from provisioning.models import Node
from tests.conftest import PASSWORD
from tests.db.test_protections import scanned


@pytest.fixture(autouse=True)
def over_http(settings: Settings) -> None:
    """The live server speaks no TLS and serves files without hashes."""
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = False
    settings.STORAGES = {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }


def read_logs(folder: Path, account: Account) -> None:
    """The case files, and a message that the account got just now, with the longest of everything."""
    cases = Path(__file__).resolve().parents[1] / "files" / "maillog"
    stamp = f"{timezone.localtime() + timedelta(seconds=5):%b %e %H:%M:%S}"
    head, queue_id = f"{stamp} mx postfix/", "4jZJhy2LxNzKgMV"
    log = folder / "mail.log"
    log.write_text(
        f"{head}mx/smtpd[7]: {queue_id}: client={'m' * 60}.example[203.0.113.7]\n"
        f"{head}cleanup[8]: {queue_id}: info: header Subject: {'Zażółć' * 30} from local; from=<>\n"
        f"{head}cleanup[8]: {queue_id}: message-id=<{'i' * 300}@klient.example>\n"
        f"{head}qmgr[9]: {queue_id}: from=<{'n' * 64}@e.example>, size=900, nrcpt=1 (queue active)\n"
        f"{head}lmtp[5]: {queue_id}: to=<{account.address}>, relay=mx[lmtp], delay=1, dsn=2.0.0, "
        f"status=sent (250 2.0.0 <{account.address}> Saved)\n"
    )
    Ingester(folder / "lock").run_files([*sorted(cases.iterdir()), log])


@pytest.fixture
def people(transactional_db: None, tmp_path: Path) -> dict[str, Account]:
    console = Actor.console()
    Node.objects.get_or_create(name="local")
    firma = domain_actions.add_domain(name="żółw.example", by=console)
    pola = actions.add_account(domain=firma, localpart="pola", password=PASSWORD, name="Pola Żak", by=console)
    domain_actions.set_managers(firma, addresses=[pola.address], by=console)
    actions.add_account(
        domain=firma, localpart="c" * 64, password=PASSWORD, name="Bardzo Długa Nazwa " * 5, by=console
    )
    locked = actions.add_account(domain=firma, localpart="ola", password=PASSWORD, by=console)
    actions.lock_account(locked, reason="faktury", by=console)
    actions.add_alias(domain=firma, localpart="biuro", targets=[pola.address, "x@gmail.example"], by=console)
    for name, stops in (("Faktury od klientów z Łodzi", True), ("Newslettery", False)):
        conditions = [
            actions.Condition("subject", "contains", "faktura"),
            actions.Condition("sender", "matches", "*@bardzo-dluga-nazwa-domeny-klienta.example"),
        ]
        settings = actions.RuleSettings(
            name=name, joined="any", conditions=conditions, folder="Klienci/Żółta Łódź", stops=stops
        )
        actions.add_filter(pola, settings, by=console)
    read_logs(tmp_path, pola)
    scanned(pola, locked)
    allow_past("192.0.2.0/24", passes_viruses=True, by=console)
    node = Node.objects.get_or_create(name="local")[0]
    PartState.objects.create(node=node, name="spamd", fault="No such file or directory")
    PartState.objects.create(node=node, name="rules", facts={"version": "1900123", "made_at": ""})
    UpdateRun.objects.create(
        node=node, kind="rules", began_at=timezone.now(), ended_at=timezone.now(), error="no mirror answers"
    )
    root = actions.add_operator(address="root@localhost", password=PASSWORD, is_superuser=True, by=console)
    return {"pola": pola, "ola": locked, "root": root}
