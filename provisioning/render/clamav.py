"""ClamAV: the scanner, its milter, and the fetching of signatures."""

from __future__ import annotations

from provisioning.render.engine import render
from provisioning.render.files import RenderedFile
from provisioning.render.plane import MEBIBYTE, MailPlane

# In two parts: a scanner of this very file must not find it.
EICAR = r"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD" + "-ANTIVIRUS-TEST-FILE!$H+H*"


def settings(plane: MailPlane) -> list[RenderedFile]:
    """ClamAV's own configuration folder, and the test signature. Nothing in Debian's /etc/clamav is read."""
    # Our own Received header comes on top of what Postfix takes.
    limit = plane.message_size_limit_bytes + MEBIBYTE
    values = {"layout": plane.layout, "protections": plane.protections, "limit": limit}
    daemons = {"clamd": "clamd", "milter": "clamav-milter", "freshclam": ""}
    return [
        RenderedFile(
            path="state/clamav/qmailux-test.ndb",
            content=render("clamav/test.ndb.j2", signature=EICAR.encode().hex()),
            daemon="",  # it is seen by SelfCheck
        ),
        RenderedFile(
            path="etc/clamav/allowed_senders",
            content=render("clamav/allowed_senders.j2", **values),
            daemon="clamav-milter",
        ),
        *(
            RenderedFile(
                path=f"etc/clamav/{name}.conf",
                content=render(f"clamav/{name}.conf.j2", **values),
                daemon=daemon,
            )
            for name, daemon in daemons.items()
        ),
    ]
