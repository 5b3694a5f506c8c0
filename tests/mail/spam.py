"""Messages whose score a test chooses, judged by the real spamd."""

from __future__ import annotations

from tests.mail.instance import MailInstance
from tests.mail.wire import letter

# Each letter in X-Points is so many points.
POINTS = {"a": 1, "b": 2, "c": 4, "d": 8, "e": 16, "m": -1}
# What an ordinary message of a test may hit, so that the chosen points are the score.
SILENT = (
    "ALL_TRUSTED",
    "MSGID_SHORT",
    "NO_RECEIVED",
    "NO_RELAYS",
    "MISSING_DATE",
    "MISSING_MID",
    "HEADER_FROM_DIFFERENT_DOMAINS",
    "RDNS_NONE",
    "INVALID_DATE",
    "SPF_HELO_NONE",
    "SPF_NONE",
    "TVD_SPACE_RATIO",
)


def use_points(plane: MailInstance) -> None:
    """Rules of the test's own beside the server's, taken up as any change of the rules is."""
    lines = [f"score {rule} 0" for rule in SILENT]
    for name, points in POINTS.items():
        rule = f"TEST_POINTS_{name.upper()}"
        lines += [f"header {rule} X-Points =~ /{name}/", f"score {rule} {points}"]
    (plane.layout.etc / "spamassassin" / "test.cf").write_text("\n".join(lines) + "\n")
    restart_rules(plane)


def restart_rules(plane: MailInstance) -> None:
    plane.host.run(plane.daemon("spamd").reload, timeout=60)


def scored(subject: str, points: int, *, headers: tuple[str, ...] = (), body: str = "Dzień dobry") -> str:
    letters = "m" if points < 0 else "".join(n for n, worth in POINTS.items() if worth > 0 and points & worth)
    return letter(subject, body, headers=[f"X-Points: {letters or '0'}", *headers])
