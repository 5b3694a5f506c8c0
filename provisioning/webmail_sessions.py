"""Ending the sessions of people in webmails, on a node."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence

from provisioning.hosts.base import Host
from provisioning.layout import WEBMAIL_USER, Layout

log = logging.getLogger(__name__)
SECONDS = 60

# A webmail's name and the id of a session in it.
Session = tuple[str, str]


def end_sessions(host: Host, layout: Layout, names: Sequence[str], sessions: Sequence[Session] = ()) -> None:
    """names: addresses, or domains with all of their addresses. What is not there is no error."""
    if not names and not sessions:
        return
    program = str(layout.bin / "webmail-end")
    user = ("--reuid", WEBMAIL_USER, "--regid", WEBMAIL_USER, "--clear-groups")
    wanted = json.dumps({"names": list(names), "sessions": [list(session) for session in sessions]})
    done = host.run(["/usr/bin/setpriv", *user, program], stdin=wanted.encode(), timeout=SECONDS, check=False)
    if done.code != 0:
        log.error("webmail sessions not ended code=%s: %s", done.code, done.stderr.decode("utf-8", "replace"))
