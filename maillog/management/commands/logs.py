"""manage.py logs: read the mail plane's logs into the trace, and forget what is too old."""

from __future__ import annotations

import signal
import time
from argparse import ArgumentParser
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.db import DatabaseError, close_old_connections
from django.utils import timezone

from accounts.actor import Actor
from maillog.debugging import end_debugging, obey, running, start_debugging
from maillog.ingest import Ingester, Progress
from maillog.models import LogFile
from maillog.operations import AUDIT
from maillog.retention import BARED, forget
from provisioning.layout import LOGS_LOCK
from qmailux_site.console import Fact, SubcommandCommand, add_dry_run, add_json

# Half of the lag that a reader of the panel may notice.
PAUSE_SECONDS = 0.5
PAUSE_AFTER_FAILURE_SECONDS = 5.0
FORGET_EVERY_SECONDS = 3600.0


class Command(SubcommandCommand):
    help = "Read the mail plane's logs into the trace (manage.py trace asks it)."
    # Those look at the pages of the panel, and loading these takes as long as reading 100,000 lines.
    requires_system_checks = ()
    verbs = {
        "ingest": "read what is new in the logs, or whole files; twice changes nothing",
        "status": "which files were read, how far, and how many lines were not understood",
        "debug": "log SMTP sessions of a client or network word for word for some minutes",
        "forget": "delete raw lines and entries that are older than the policy keeps them",
    }

    def add_ingest_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "files", nargs="*", type=Path, help="logs to read, plain or .gz (default: the instance's)"
        )
        parser.add_argument("--follow", action="store_true", help="go on reading until ended")

    def verb_ingest(self, options: dict[str, Any]) -> None:
        ingester = Ingester(settings.QMAILUX_LAYOUT.node_run / LOGS_LOCK)
        if options["files"]:
            for path in options["files"]:
                if not path.is_file():
                    raise CommandError(f"There is no file {path}.")
            self._say(ingester.run_files(options["files"]))
        elif options["follow"]:
            self._follow(ingester)
        else:
            progress = ingester.run(settings.QMAILUX_LAYOUT.node_log)
            progress.entries += ingester.take_operations()
            self._say(progress)

    def _say(self, progress: Progress) -> None:
        self.stdout.write(
            f"{progress.lines} lines read, {progress.unknown} not understood, "
            f"{progress.entries} entries written"
        )

    def _follow(self, ingester: Ingester) -> None:
        """Until SIGTERM. A database that is away is waited for: the logs are on disk."""
        ended = _Ended()
        forgotten_at = 0.0
        while not ended:
            try:
                ingester.run(settings.QMAILUX_LAYOUT.node_log)
                ingester.take_operations()
                _obey()
                if time.monotonic() - forgotten_at > FORGET_EVERY_SECONDS or not forgotten_at:
                    self._forget()
                    forgotten_at = time.monotonic()
            except DatabaseError as error:
                self.stderr.write(f"not stored, trying again: {error}")
                close_old_connections()
                # What is over ends without the database too.
                with suppress(DatabaseError):
                    _obey()
                ended.wait(PAUSE_AFTER_FAILURE_SECONDS)
            ended.wait(PAUSE_SECONDS)

    def add_status_arguments(self, parser: ArgumentParser) -> None:
        add_json(parser)

    def verb_status(self, options: dict[str, Any]) -> None:
        rows: list[dict[str, Fact]] = [
            {
                "file": file.name,
                "read_bytes": file.offset_bytes,
                "lines": file.line_count,
                "not_understood": file.unknown_count,
                "read_at": file.read_at.isoformat(),
            }
            for file in LogFile.objects.exclude(head__in=(AUDIT, BARED)).order_by("id")
        ]
        self.show(rows, as_json=options["json"])

    def add_debug_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "network", nargs="?", default="", help="client address or network; none: list them"
        )
        parser.add_argument("--minutes", type=int, default=10, help="it ends by itself then (default: 10)")
        parser.add_argument("--end", action="store_true", help="end it now")
        add_json(parser)

    def verb_debug(self, options: dict[str, Any]) -> None:
        network, by = options["network"], Actor.console()
        if options["end"]:
            ended = [found for found in running() if not network or found.network.startswith(network)]
            for found in ended:
                end_debugging(found, by=by)
        elif network:
            start_debugging(network, minutes=options["minutes"], by=by)
        rows: list[dict[str, Fact]] = [
            {"network": found.network, "until": found.until.isoformat(), "started_by": found.started_by}
            for found in running()
        ]
        self.show(rows, as_json=options["json"])

    def add_forget_arguments(self, parser: ArgumentParser) -> None:
        add_dry_run(parser)

    def verb_forget(self, options: dict[str, Any]) -> None:
        if options["dry_run"]:
            raw, trace = settings.QMAILUX_RAW_LOG_KEEP_DAYS, settings.QMAILUX_TRACE_KEEP_DAYS
            self.stdout.write(f"raw lines are kept {raw} days, entries {trace} days")
            return
        self._forget()

    def _forget(self) -> None:
        now = timezone.now()
        metadata = settings.QMAILUX_METADATA_KEEP_DAYS
        forgotten = forget(
            lines_before=now - timedelta(days=settings.QMAILUX_RAW_LOG_KEEP_DAYS),
            entries_before=now - timedelta(days=settings.QMAILUX_TRACE_KEEP_DAYS),
            folder=settings.QMAILUX_LAYOUT.node_log,
            metadata_before=now - timedelta(days=metadata) if metadata else None,
        )
        if forgotten.lines or forgotten.bared or forgotten.entries or forgotten.files:
            self.stdout.write(
                f"deleted: lines of {forgotten.lines} entries, content of {forgotten.bared}, "
                f"{forgotten.entries} entries, "
                f"{forgotten.files} files"
            )


def _obey() -> None:
    layout = settings.QMAILUX_LAYOUT
    obey(layout.debugged_clients, layout.queue / "pid" / "master.pid")


class _Ended:
    """True once SIGTERM or SIGINT has come; a batch is finished first."""

    def __init__(self) -> None:
        self.is_set = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._set)

    def _set(self, number: int, frame: FrameType | None) -> None:
        self.is_set = True

    def __bool__(self) -> bool:
        return self.is_set

    def wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self.is_set and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.1))
