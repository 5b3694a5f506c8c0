"""The machine's own limits: the same work without us."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import argon2

from provisioning.hosts.rowstore import listing
from provisioning.layout import Layout
from provisioning.render.dovecot import SCHEMA
from provisioning.render.postfix import MAPS
from provisioning.stores import TABLES
from tests.bench.figures import Stopwatch, stopwatch

ARGON2 = {"time_cost": 2, "memory_cost": 19456, "parallelism": 1}


def write_again(layout: Layout, folder: Path) -> Stopwatch:
    """To insert the rows of the instance's accounts file into a fresh one, and to build its maps anew from
    text files, one after another.
    """
    rows = {table: list(listing(layout.accounts_file, table)) for table in TABLES}
    postmap = ["postmap", "-c", str(layout.etc / "postfix")]
    for name in MAPS:
        with (folder / name).open("wb") as source:
            subprocess.run([*postmap, "-s", f"lmdb:{layout.maps / name}"], stdout=source, check=True)
    with stopwatch() as watch:
        _insert(folder / "bare.sqlite", rows)
        for name in MAPS:
            subprocess.run([*postmap, f"lmdb:{folder / name}"], check=True)
    return watch


def _insert(path: Path, rows: dict[str, list[tuple[str | int | None, ...]]]) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.executescript(SCHEMA)
        for table, found in rows.items():
            if found:
                marks = ",".join("?" * len(found[0]))
                connection.execute("BEGIN")
                connection.executemany(f'INSERT INTO "{table}" VALUES ({marks})', found)  # noqa: S608
                connection.execute("COMMIT")


def argon2_rate(*, seconds: float = 3.0) -> float:
    """Hashes a second on one core."""
    hasher = argon2.PasswordHasher(**ARGON2)  # type: ignore[arg-type]  # all of them are numbers
    started = time.perf_counter()
    count = 0
    while time.perf_counter() - started < seconds:
        hasher.hash("Zielona-Papuga-7")
        count += 1
    return count / (time.perf_counter() - started)


MAIN_CF = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/state
maillog_file = {folder}/mail.log
maillog_file_prefixes = {folder}
shlib_directory = /usr/lib/postfix
daemon_directory = /usr/lib/postfix/sbin
command_directory = /usr/sbin
myhostname = bare.qmailux.test
mydestination =
alias_maps =
inet_interfaces = 127.0.0.1
mynetworks =
default_process_limit = 200
virtual_mailbox_domains = lmdb:{maps}/domains
virtual_mailbox_maps = lmdb:{maps}/mailboxes
virtual_alias_maps = lmdb:{maps}/aliases
virtual_transport = lmtp:unix:{lmtp}
smtpd_relay_restrictions = reject_unauth_destination
"""
SERVICES = """\
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
lmtp unix - - n - - lmtp
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""


class BarePostfix:
    """A Postfix with the instance's maps and mailboxes, and otherwise nothing that it could do without."""

    def __init__(self, layout: Layout, folder: Path) -> None:
        self.port = layout.port("smtp") + 1
        self.etc = folder / "bare"
        for name in ("bare", "queue", "state"):
            (folder / name).mkdir()
        shutil.chown(folder / "state", "postfix")
        values = {"folder": folder, "maps": layout.maps, "lmtp": layout.queue / "private" / "dovecot-lmtp"}
        (self.etc / "main.cf").write_text(MAIN_CF.format(**values), encoding="ascii")
        (self.etc / "master.cf").write_text(SERVICES.format(port=self.port), encoding="ascii")
        for name in ("postfix-files", "dynamicmaps.cf"):
            (self.etc / name).write_bytes((layout.etc / "postfix" / name).read_bytes())
        self.queue = folder / "queue"
        subprocess.run(
            ["postfix", "-c", str(self.etc), "post-install", "create-missing"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
        )
        self._process = subprocess.Popen(
            ["/usr/lib/postfix/sbin/master", "-c", str(self.etc), "-s"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=20)


def accept(port: int, recipients: Sequence[str], *, messages: int, connections: int) -> float:
    """Messages a second that the server on the port takes, by Postfix's own load generator: one sender for
    each recipient, with so many connections each.
    """
    with stopwatch() as watch:
        senders = [
            subprocess.Popen(
                [
                    *("smtp-source", "-s", str(connections), "-m", str(messages), "-l", "2000"),
                    *(
                        "-M",
                        "mx.obcy.example",
                        "-f",
                        "x@obcy.example",
                        "-t",
                        recipient,
                        f"inet:127.0.0.1:{port}",
                    ),
                ],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
            for recipient in recipients
        ]
        for sender in senders:
            _output, errors = sender.communicate()
            assert sender.returncode == 0, errors.decode()
    return messages * len(recipients) / watch.seconds
