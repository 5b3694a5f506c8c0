"""OpenDKIM and OpenDMARC: whether mail comes from the domain that it names, and the proof that ours does."""

from __future__ import annotations

from provisioning.render.engine import render
from provisioning.render.files import RenderedFile
from provisioning.render.plane import MailPlane


def settings(plane: MailPlane) -> list[RenderedFile]:
    """Both know senders by their domain alone, so an allowed address does not go past them."""
    domains = ",".join(entry.value for entry in plane.protections.allowed_senders if "@" not in entry.value)
    return [
        RenderedFile(
            path=f"etc/{name}/{name}.conf",
            content=render(f"{name}/{name}.conf.j2", plane=plane, layout=plane.layout, domains=domains),
            daemon=name,
        )
        for name in ("opendkim", "opendmarc")
    ] + [
        RenderedFile(
            path="etc/opendkim/signing.conf",
            content=render("opendkim/signing.conf.j2", layout=plane.layout),
            daemon="dkim-signer",
        )
    ]
