"""What a page costs on a slow line."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from accounts.models import Account
from tests.db.test_panel import logged_in, plain_static

__all__ = ["plain_static"]
STYLESHEET = Path(__file__).resolve().parents[2] / "static" / "qmailux" / "panel.css"
MOST_BYTES = 60_000
PAGES = ("/", "/forwarding/", "/autoresponder/", "/filters/", "/filters/add/", "/spam/", "/notifications/")


@pytest.mark.parametrize("path", PAGES)
def test_page_and_stylesheet_are_light(ala: Account, path: str) -> None:
    answer = logged_in(ala).get(path)
    assert answer.status_code == 200
    assert len(gzip.compress(answer.content)) + len(gzip.compress(STYLESHEET.read_bytes())) < MOST_BYTES
