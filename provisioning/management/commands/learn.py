"""manage.py learn: teach what people put into the folders that teach."""

from __future__ import annotations

import signal
import time
from argparse import ArgumentParser
from datetime import timedelta
from types import FrameType
from typing import Any, ClassVar

from django.conf import settings
from django.db import DatabaseError, close_old_connections
from django.db.models import Count
from django.utils import timezone

from antispam.models import TaughtBatch, TaughtMessage, TeachRequest
from provisioning.events import has_events, note_alive
from provisioning.hosts import host_of
from provisioning.learning import Learner
from provisioning.models import Node
from qmailux_site.console import SubcommandCommand, add_json
from qmailux_site.errors import QmailuxError

LOOK_SECONDS = 0.5
UNDO_SECONDS = 2.0
NOTE_SECONDS = 5.0
SWEEP_SECONDS = 600.0
PAUSE_AFTER_FAILURE_SECONDS = 5.0


class Command(SubcommandCommand):
    help = "Teach the spam check what people put into the folders Learn spam and Unlearn spam."
    verbs: ClassVar[dict[str, str]] = {
        "run": "teach what waits now, events or not; with --watch for as long as it runs",
        "status": "what was taught, today and in 30 days, and what waits",
    }

    def add_run_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--watch", action="store_true", help="stay, and teach within seconds what comes")

    def add_status_arguments(self, parser: ArgumentParser) -> None:
        add_json(parser)

    def verb_run(self, options: dict[str, Any]) -> None:
        if options["watch"]:
            _Watch().run()
            return
        learner = local_learner()
        taught = learner.run_events() + learner.sweep()
        taught += learner.teach_requested()
        undone = learner.undo_requested()
        learner.purge()
        self.stdout.write(f"taught {taught}, taken back {undone}")

    def verb_status(self, options: dict[str, Any]) -> None:
        now = timezone.now()
        rows: list[dict[str, str | int | bool | None]] = []
        for name, since in (
            ("today", now.replace(hour=0, minute=0, second=0)),
            ("30 days", now - timedelta(30)),
        ):
            taught = TaughtMessage.objects.filter(batch__started_at__gte=since)
            counts = dict(
                taught.filter(failure="").values_list("batch__kind").annotate(Count("id")).order_by()
            )
            rows.append(
                {
                    "since": name,
                    "spam": counts.get("spam", 0),
                    "ham": counts.get("ham", 0),
                    "not taught": taught.exclude(failure="").count(),
                    "accounts": taught.values("batch__account").distinct().count(),
                    "in progress": TaughtBatch.objects.filter(finished_at=None).count(),
                    "to take back": TaughtBatch.objects.to_undo().count(),
                }
            )
        self.show(rows, as_json=options["json"], bare=1)


class _Watch:
    """Looks into the spool twice a second; SIGTERM ends it between two messages' work at the latest."""

    def __init__(self) -> None:
        self.ends = False
        self.swept_at = time.monotonic()
        self.asked_at = 0.0
        self.noted_at = 0.0

    def run(self) -> None:
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, self._end)
        while not self.ends:
            try:
                self._look()
            except (QmailuxError, DatabaseError) as error:
                # spamd, a mailbox or the database is away: what waits stays in the spool.
                print(f"later: {error}", flush=True)
                time.sleep(PAUSE_AFTER_FAILURE_SECONDS)
            time.sleep(LOOK_SECONDS)

    def _look(self) -> None:
        now = time.monotonic()
        if now - self.noted_at >= NOTE_SECONDS:
            self.noted_at = now
            note_alive(settings.QMAILUX_LAYOUT)
        if has_events(settings.QMAILUX_LAYOUT):
            close_old_connections()
            local_learner().run_events()
        if now - self.asked_at >= UNDO_SECONDS:
            self.asked_at = now
            if TaughtBatch.objects.to_undo().exists():
                local_learner().undo_requested()
            if TeachRequest.objects.filter(done_at=None).exists():
                local_learner().teach_requested()
        if now - self.swept_at >= SWEEP_SECONDS:
            self.swept_at = now
            close_old_connections()
            local_learner().sweep()
            local_learner().purge()

    def _end(self, number: int, frame: FrameType | None) -> None:
        self.ends = True


def local_learner() -> Learner:
    node = Node.objects.get(kind=Node.Kind.LOCAL)
    return Learner(node=node, host=host_of(node), layout=settings.QMAILUX_LAYOUT)
