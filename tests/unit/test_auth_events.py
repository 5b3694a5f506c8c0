"""What became of a login, in Dovecot's log."""

from __future__ import annotations

import json

from provisioning.auth_events import auth_events
from provisioning.guessing import failures_in

AT = "2026-11-26T22:15:30.275480Z"
DENIED = "2026-11-26T23:15:30+0100 auth: Info: User found from deny passdb"


def mismatch(user: str, session: str = "") -> str:
    named = f"{user},192.0.2.7,<{session}>" if session else f"{user},192.0.2.7"
    return f"2026-11-26T23:15:30+0100 auth-worker(1): Info: conn unix:x: sql({named}): Password mismatch"


def finished(user: str, *, session: str = "", service: str = "imap", success: bool = False) -> str:
    fields = {"user": user, "remote_ip": "192.0.2.7", "service": service}
    fields |= {"session": session} if session else {}
    fields |= {"success": "yes"} if success else {}
    event = {"event": "auth_request_finished", "end_time": AT, "fields": fields}
    return f"2026-11-26T23:15:30+0100 stats: Info: {json.dumps(event, separators=(',', ':'))}"


def reasons(*lines: str) -> list[tuple[str, str]]:
    return [(event.user, event.reason) for event in auth_events(lines)]


def test_what_two_locked_logins_are_told_at_once_is_no_wrong_password() -> None:
    lines = [
        DENIED,
        DENIED,
        finished("ala@firma.test", session="a"),
        finished("ola@firma.test", service="smtp"),
    ]
    assert reasons(*lines) == [("ala@firma.test", "locked"), ("ola@firma.test", "locked")]
    assert all(failure.is_denied for failure in failures_in(lines))


def test_a_wrong_password_is_the_login_that_it_names_whatever_lies_between() -> None:
    lines = [
        DENIED,
        mismatch("ola@firma.test", "b"),
        finished("ala@firma.test", session="a"),
        finished("jan@firma.test", session="c", success=True),
        finished("ola@firma.test", session="b"),
        finished("pola@firma.test", service="smtp"),
        mismatch("pola@firma.test"),
    ]
    assert reasons(*lines) == [
        ("ala@firma.test", "locked"),
        ("jan@firma.test", ""),
        ("ola@firma.test", "password"),
        ("pola@firma.test", "password"),
    ]


def test_a_login_that_nobody_judged_and_a_line_that_is_cut_off_are_no_guess() -> None:
    lines = [finished("ala@firma.test"), finished("ola@firma.test")[:-9]]
    assert reasons(*lines) == [("ala@firma.test", "refused")]
    assert list(failures_in(lines)) == []
