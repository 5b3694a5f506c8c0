"""What the spam check wrote is taken out, byte for byte, and nothing else."""

from __future__ import annotations

import pytest

from antispam.markup import without_markup

PLAIN = b"Received: by x\r\n\tfor y\r\nSubject: hej\r\nFrom: a@b.example\r\n\r\nX-Spam-Flag: in the text\r\n"


def test_an_unmarked_message_stays_byte_for_byte() -> None:
    assert without_markup(PLAIN) == PLAIN


def test_our_fields_go_with_their_continuation_lines() -> None:
    ours = b"X-Spam-Flag: YES\r\nx-spam-status: Yes,\r\n\ttests=A,\r\n\tB\r\nX-QM-Scan: failed\r\n"
    assert without_markup(ours + PLAIN) == PLAIN


@pytest.mark.parametrize("original", [b"hej", b"=?utf-8?q?=C5=BC=C3=B3=C5=82w?=", b"[SPAM] hej", b"a\r\n b"])
def test_the_subject_comes_back_as_it_was(original: bytes) -> None:
    marked = b"X-Spam-Prev-Subject: " + original + b"\r\n" + PLAIN.replace(b"hej", b"[SPAM] cokolwiek", 1)
    assert without_markup(marked) == PLAIN.replace(b"hej", original, 1)


def test_without_the_old_subject_the_mark_alone_goes() -> None:
    assert without_markup(PLAIN.replace(b"hej", b"[SPAM] hej", 1)) == PLAIN


@pytest.mark.parametrize(
    "message", [b"", b"\r\n", b"\r\nbody", b"no header at all", b"A: b", b"X-Spam-Flag: YES", b"A: b\n\nc\n"]
)
def test_odd_messages_do_no_harm(message: bytes) -> None:
    assert without_markup(message) == (b"" if message.startswith(b"X-Spam") else message)
