"""Quotas as people write and read them."""

from __future__ import annotations

import pytest

from accounts.quotas import MAX_QUOTA_BYTES, format_bytes, parse_quota_mb
from qmailux_site.errors import ActionRefused

MB = 1024 * 1024


@pytest.mark.parametrize(
    ("text", "quota_bytes"),
    [
        *(("0", 0), ("", None), ("  ", None), ("500", 500 * MB), (" 007 ", 7 * MB)),
        *(("10 MB", 10 * MB), ("10mb", 10 * MB), ("2 GB", 2048 * MB)),
    ],
)
def test_QTA_01_one_meaning_of_zero_nothing_and_numbers(text: str, quota_bytes: int | None) -> None:
    assert parse_quota_mb(text) == quota_bytes


@pytest.mark.parametrize(
    "text",
    [
        *(
            "-1",
            "+1",
            "0.5",
            "1e3",
            "1,5",
            "1.5 GB",
            "\u0663",
            "\uff10\uff15",
            "10 MBit",
            "MB",
            "1_000",
            "0x10",
        ),
        *("1 0", "none", "\u221e", "1\u00b2", "10\nMB"),
    ],
)
def test_QTA_01_nonsense_is_a_field_error(text: str) -> None:
    with pytest.raises(ActionRefused) as caught:
        parse_quota_mb(text, field="quota_mb")
    assert caught.value.field == "quota_mb"


@pytest.mark.parametrize("text", ["99999999999999", "9" * 5000, "9" * 5000 + " GB"])
def test_QTA_01_too_large_is_a_field_error(text: str) -> None:
    with pytest.raises(ActionRefused):
        parse_quota_mb(text)


def test_QTA_01_largest_value_is_far_from_overflowing() -> None:
    assert parse_quota_mb(str(MAX_QUOTA_BYTES // MB)) == MAX_QUOTA_BYTES
    # Dovecot multiplies by a percentage.
    assert MAX_QUOTA_BYTES * 100 < 2**63


@pytest.mark.parametrize(
    ("size_bytes", "polish", "english"),
    [
        *((0, "0 B", "0 B"), (1023, "1023 B", "1023 B"), (1024, "1 KB", "1 KB"), (MB - 1, "1 MB", "1 MB")),
        *((500 * MB, "500 MB", "500 MB"), (1536 * MB, "1,5 GB", "1.5 GB"), (1024**4, "1 TB", "1 TB")),
    ],
)
def test_sizes_are_shown_in_the_language(size_bytes: int, polish: str, english: str) -> None:
    assert format_bytes(size_bytes, "pl").replace("\u00a0", " ") == polish
    assert format_bytes(size_bytes, "en").replace("\u00a0", " ") == english
