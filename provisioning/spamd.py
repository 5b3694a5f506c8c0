"""What the learner says to spamd."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

import aiospamc
from aiospamc.exceptions import ClientException, ParseError
from aiospamc.responses import Response

from qmailux_site.errors import HostError, HostUnreachable

SECONDS = 120
# sysexits: unavailable, temporary failure; and spamd's own time-out.
FOR_NOW = {69, 75, 79}
# Bayes learns from the beginning of a message, as sa-learn does.
MOST_BYTES = 256 * 1024


class LearnRefused(HostError):
    """spamd answers, but takes nothing from this message."""


@dataclass(frozen=True, slots=True)
class Spamd:
    """One spamd, through its socket. user: ``provisioning.spam.scan_name``."""

    socket: Path

    def learn(self, message: bytes, kind: str, user: str) -> None:
        """kind: "spam" or "ham". What was known as the other is turned round; again is no error.

        Raises HostUnreachable when spamd is down, LearnRefused when it did not learn.
        """
        if self._tell(message, kind, user, set_action="local"):
            return
        # It answers the same whether it knew the message or could not write: forget, then learn again.
        self._tell(message, kind, user, remove_action="local")
        if not self._tell(message, kind, user, set_action="local"):
            raise LearnRefused("spamd did not learn from the message")

    def forget(self, message: bytes, kind: str, user: str) -> None:
        self._tell(message, kind, user, remove_action="local")

    def _tell(
        self,
        message: bytes,
        kind: str,
        user: str,
        *,
        set_action: str | None = None,
        remove_action: str | None = None,
    ) -> bool:
        """Whether it says that it did something."""
        try:
            answer: Response = asyncio.run(
                aiospamc.tell(
                    message[:MOST_BYTES],
                    message_class=kind,
                    set_action=set_action,
                    remove_action=remove_action,
                    socket_path=self.socket,
                    timeout=aiospamc.Timeout(SECONDS),
                    user=user,
                )
            )
        except (OSError, ClientException, ParseError) as error:
            raise HostUnreachable(f"spamd does not answer: {error.__cause__ or error}") from error
        if int(answer.status_code) in FOR_NOW:
            raise HostUnreachable(f"spamd cannot now, code {int(answer.status_code)}")
        if answer.status_code:
            raise LearnRefused(f"spamd refuses the message with code {int(answer.status_code)}")
        return "DidSet" in answer.headers or "DidRemove" in answer.headers
