"""The virus scanner's signatures: fetching new ones, and how old those in use are."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import pyclamd

from provisioning.hosts.base import Host
from provisioning.layout import Layout
from qmailux_site.errors import HostUnreachable

SECONDS = 1800
UP_TO_DATE = 0


@dataclass(frozen=True, slots=True)
class Signatures:
    """version: "" when there is only the test signature. made_at: when ClamAV's people made them."""

    program: str
    version: str
    made_at: datetime | None


def fetch(host: Host, layout: Layout) -> None:
    """Fetch what is new; the set in use stays until the new one has proved itself. Raises CommandFailed."""
    # It gives up its rights before it opens its log, in a folder where it may make none.
    log = str(layout.node_log / "freshclam.log")
    host.run(["/usr/bin/touch", log])
    host.run(["/bin/chown", "clamav:adm", log])
    host.run(
        ["/usr/bin/freshclam", f"--config-file={layout.etc / 'clamav' / 'freshclam.conf'}"], timeout=SECONDS
    )


def in_use(layout: Layout) -> Signatures:
    """Asks the running scanner. Raises HostUnreachable."""
    try:
        answer = pyclamd.ClamdUnixSocket(str(layout.clamd_socket)).version()
    except (pyclamd.ConnectionError, OSError) as error:
        raise HostUnreachable(f"the virus scanner does not answer: {error}") from error
    return parse(answer)


def parse(answer: str) -> Signatures:
    """ "ClamAV 1.4.6/27456/Mon Nov 23 09:28:53 2026", or "ClamAV 1.4.6" alone."""
    program, _slash, rest = answer.strip().partition("/")
    version, _slash, date = rest.partition("/")
    try:
        made_at = (
            datetime.strptime(date.strip(), "%a %b %d %H:%M:%S %Y").replace(tzinfo=UTC) if date else None
        )
    except ValueError:
        made_at = None
    return Signatures(program, version, made_at)
