"""One SMS: 160 places of the GSM alphabet or 70 UTF-16 units, never cut inside a sign."""

from __future__ import annotations

import pytest

from accounts.smstext import about_mail, digest, fits, is_gsm, one_sms


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a" * 160, "a" * 160),
        ("a" * 161, "a" * 157 + "..."),
        ("€" * 80, "€" * 80),
        ("€" * 81, "€" * 78 + "..."),
        ("a" * 159 + "€", "a" * 157 + "..."),
        ("ż" * 70, "ż" * 70),
        ("ż" * 71, "ż" * 69 + "…"),
        ("😀" * 35, "😀" * 35),
        ("😀" * 36, "😀" * 34 + "…"),
        ("a" * 150 + "ż" * 5, "a" * 69 + "…"),
        # What needs another alphabet lies behind the cut: the GSM alphabet is enough.
        ("a" * 200 + "ż", "a" * 157 + "..."),
    ],
)
def test_text_is_cut_to_one_sms(text: str, expected: str) -> None:
    assert one_sms(text) == expected
    assert fits(expected)


def test_accents_stay_with_their_letter() -> None:
    text = "x" * 68 + "q\u0323\u0307" + "ż" * 10
    assert one_sms(text) == "x" * 68 + "…"


def test_decomposed_letters_are_composed() -> None:
    assert one_sms("z\u0307o\u0301ł") == "żół"


@pytest.mark.parametrize("text", ["a\r\nb", "a\x00b", "a\u2028b", "a\tb", "  a   b "])
def test_text_is_on_one_line(text: str) -> None:
    assert one_sms(text) == "a b"


def test_signs_that_nobody_sees_are_left_out() -> None:
    assert one_sms("ab\u202ecd\u200b") == "abcd"


def test_alphabet() -> None:
    assert is_gsm("Ola: @£$ [5 €] {~}")
    assert not is_gsm("ç")
    assert not is_gsm("żółw")


def test_never_more_than_sender_and_subject() -> None:
    assert about_mail("Jan Żak", " Obiad ") == "Jan Żak: Obiad"
    assert about_mail("", "Obiad") == "Obiad"
    assert about_mail("jan@obcy.example", "") == "jan@obcy.example"


def test_digest_counts_and_names_what_fits() -> None:
    assert digest("3 new messages:", ["a", "", "b"]) == "3 new messages: a, b"
    assert fits(digest("400 nowych wiadomości:", ["Żółta łódź"] * 400))
