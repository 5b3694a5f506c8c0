"""SpamAssassin's rules: fetched beside those in use, tried, and put in their place; back when spamd refuses.

``state/spamassassin/rules`` is a link to the set in use: at first the one that Debian brings.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from provisioning.activate import is_running
from provisioning.daemons import SPAMASSASSIN, spamassassin_folder, spamd
from provisioning.hosts.base import Host
from provisioning.layout import Layout
from qmailux_site.errors import CommandFailed

STOCK = "/usr/share/spamassassin"
CHANNEL = "updates.spamassassin.org"
PUBLIC_KEY = "/usr/share/spamassassin/sa-update-pubkey.txt"
SETS = "state/spamassassin/sets"
SECONDS = 600
NOTHING_NEW = 1
_VERSION = re.compile(rb"^# UPDATE version (\d+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Rules:
    """version: "" while they are those that came with SpamAssassin. made_at: when they were put here."""

    version: str
    made_at: str


def ensure_rules(host: Host, layout: Layout) -> None:
    """There is a set in use, before spamd starts for the first time."""
    if host.run(["test", "-e", str(layout.spam_rules)], check=False).code != 0:
        host.run(["ln", "-sfn", STOCK, str(layout.spam_rules)])


def in_use(host: Host, layout: Layout) -> Rules:
    target = _target(host, layout)
    if target == STOCK:
        return Rules("", "")
    stat = host.run(["stat", "-c", "%y", target], check=False).stdout.decode().strip()
    return Rules(_version(host, target), stat[:19])


def fetch(host: Host, layout: Layout, *, channel: str = CHANNEL, is_signed: bool = True) -> str:
    """The version that came, "" when there was nothing newer. Raises CommandFailed; the old set stays in use.

    A set must pass SpamAssassin's own test with our settings before spamd sees it, and goes again when spamd
    does not come up with it.
    """
    with host.lock("rules"):
        before = _target(host, layout)
        candidate = f"{layout.node / SETS}/{_next_name(before)}"
        host.run(["rm", "-rf", candidate])
        host.run(["mkdir", "-p", candidate])
        if before != STOCK:
            host.run(["cp", "-a", f"{before}/.", candidate])
        try:
            if not _downloaded(host, layout, candidate, channel, is_signed=is_signed):
                host.run(["rm", "-rf", candidate])
                return ""
            host.run(_lint(layout, candidate), timeout=120)
            _use(host, layout, candidate, before)
        except CommandFailed:
            host.run(["rm", "-rf", candidate])
            raise
        if before != STOCK:
            host.run(["rm", "-rf", before])
        return _version(host, candidate)


def _downloaded(host: Host, layout: Layout, folder: str, channel: str, *, is_signed: bool) -> bool:
    keys = str(layout.state / "spamassassin" / "keys")
    argv = ["/usr/bin/sa-update", "--updatedir", folder, "--channel", channel]
    if is_signed:
        host.run(["mkdir", "-p", "-m", "700", keys])
        host.run(["/usr/bin/sa-update", "--gpghomedir", keys, "--import", PUBLIC_KEY], timeout=SECONDS)
        argv += ["--gpghomedir", keys]
    else:
        argv.append("--nogpg")
    done = host.run(argv, timeout=SECONDS, check=False)
    if done.code not in (0, NOTHING_NEW):
        raise CommandFailed(argv, done.code, (done.stderr or done.stdout).decode("utf-8", "replace"))
    return done.code == 0


def _use(host: Host, layout: Layout, wanted: str, before: str) -> None:
    _point(host, layout, wanted)
    daemon = spamd(layout)
    if not is_running(host, daemon):
        return
    try:
        host.run(daemon.reload, timeout=90)
    except CommandFailed:
        _point(host, layout, before)
        host.run(daemon.reload, timeout=90, check=False)
        raise


def _point(host: Host, layout: Layout, target: str) -> None:
    """In one step: there is always a set."""
    beside = f"{layout.spam_rules}.new"
    host.run(["ln", "-sfn", target, beside])
    host.run(["mv", "-T", beside, str(layout.spam_rules)])


def _lint(layout: Layout, folder: str) -> list[str]:
    argv = [SPAMASSASSIN, "--lint", "--local", "--nocreate-prefs", "--prefs-file=/dev/null"]
    return [*argv, f"--configpath={folder}", f"--siteconfigpath={spamassassin_folder(layout)}"]


def _target(host: Host, layout: Layout) -> str:
    return host.run(["readlink", "-f", str(layout.spam_rules)]).stdout.decode().strip() or STOCK


def _next_name(before: str) -> str:
    number = before.rpartition("/")[2]
    return str(int(number) + 1) if number.isdigit() else "1"


def _version(host: Host, folder: str) -> str:
    text = host.run(["grep", "-rhm1", "^# UPDATE version", folder, "--include=*.cf"], check=False).stdout
    found = _VERSION.search(text)
    return found[1].decode() if found else ""
