"""Golden files: what a renderer gave when somebody last looked at it. Renew on purpose with
QMAILUX_GOLDEN=write.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from antispam.protections import KINDS
from provisioning.layout import Layout
from provisioning.render.files import RenderedFile
from provisioning.render.plane import Allowed, MailPlane, OutgoingCheck, Protections

FOLDER = Path(__file__).parent / "files"


@pytest.fixture
def mail_plane() -> MailPlane:
    """Fixed values: the same on every machine."""
    layout = Layout(Path("/var/lib/qmailux"), "127.0.0.1", 10000, "mail.firma.test")
    protections = Protections(
        on=frozenset(kind.name for kind in KINDS),
        dnsbl_sites=("bl.example=127.0.0.[2..11]", "bl2.example=127.0.0.2"),
        attachment_endings=("exe", "scr"),
        scored_sites=("bl.example=127.0.0.[2..11]*2", "bl2.example=127.0.0.2*1"),
        outgoing=(
            ("outgoing-viruses", OutgoingCheck("refuse", "defer")),
            ("outgoing-spam", OutgoingCheck("hold", "accept", 8)),
        ),
        allowed=(
            Allowed("192.0.2.0/24", is_network=True),
            Allowed("2001:db8::/32", is_network=True, passes_viruses=True),
            Allowed("partner.example", is_network=False, passes_viruses=True),
            Allowed("raporty@biuro.example", is_network=False),
        ),
    )
    return MailPlane(
        layout=layout,
        vmail_uid=20500,
        vmail_gid=20500,
        protections=protections,
        nameservers=("127.0.0.1",),
    )


def compare_with_golden(file: RenderedFile) -> None:
    path = FOLDER / file.path
    if os.environ.get("QMAILUX_GOLDEN") == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.content)
    assert file.content.decode() == path.read_text(encoding="utf-8"), (
        f"{file.path} differs from its golden file"
    )
