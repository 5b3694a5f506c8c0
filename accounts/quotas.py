"""Temporary: replaced by the proven one."""

from __future__ import annotations

from qmailux_site.errors import ActionRefused


def parse_quota_mb(text: str, *, field: str = "quota") -> int | None:
    if not text.strip():
        return None
    if not (text.isascii() and text.isdigit()):
        raise ActionRefused(field, "A quota is a whole number of MB.")
    return int(text) * 1024 * 1024


def format_bytes(count: int, language: str = "en") -> str:
    return f"{count // 1024 // 1024} MB"
