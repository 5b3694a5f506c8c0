"""The webhook's address and key. Whoever has them can write in the operators' chat: they lie in a file that
only the panel's user may read, and no page or command shows them again.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings


@dataclass(frozen=True, slots=True)
class Webhook:
    """key: signs what is sent, "" for none."""

    url: str = field(repr=False)
    key: str = field(default="", repr=False)


def read() -> Webhook | None:
    try:
        kept = json.loads(_path().read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return Webhook(kept["url"], kept["key"])


def write(webhook: Webhook | None) -> None:
    """On the disk when this returns. None: it is gone."""
    path = _path()
    if webhook is None:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        json.dump({"url": webhook.url, "key": webhook.key}, stream)
        stream.flush()
        os.fsync(stream.fileno())
    fresh.replace(path)


def _path() -> Path:
    folder: Path = settings.QMAILUX_LAYOUT.panel_secrets
    return folder / "alarm_webhook"
