"""Where an instance lives and listens."""

from __future__ import annotations

from pathlib import Path

import pytest

from provisioning.layout import Layout
from qmailux_site.errors import SetupError


def layout(bind: str) -> Layout:
    return Layout(home=Path("/srv/q"), bind=bind, offset=0, hostname="mx.firma.test")


@pytest.mark.parametrize(
    ("bind", "own"),
    [
        ("*", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.1"),  # noqa: S104  # what people write for "all"
        ("127.0.0.1", "127.0.0.1"),
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8::7", "2001:db8::7"),
    ],
)
def test_the_machine_itself_reaches_the_instance_where_it_listens(bind: str, own: str) -> None:
    assert layout(bind).own_address == own


@pytest.mark.parametrize("bind", ["", "localhost", "192.0.2", "127.0.0.1\n"])
def test_what_is_no_address_is_refused_by_name(bind: str) -> None:
    with pytest.raises(SetupError, match="QMAILUX_BIND"):
        layout(bind)
