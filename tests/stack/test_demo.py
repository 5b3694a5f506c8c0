"""`make demo` fills a running instance by the doors that everybody uses."""

from __future__ import annotations

import pytest

from tests.stack.instance import Instance

pytestmark = pytest.mark.machine
DEMO_PASSWORD = "Demo-Papuga-7"


def test_demo_shows_every_fate_of_a_mail_and_a_second_run_changes_nothing(own: Instance) -> None:
    refused = own.run("demo")
    own.up()
    # On in a new instance; off in tests, which ask no resolver.
    own.manage("protection", "enable", "sender-domain")
    first = own.manage("demo")
    second = own.manage("demo", "--size", "100")

    assert refused.returncode != 0
    assert "make up" in refused.stderr
    for fate in ("delivered", "refused with 550", "refused with 552", "refused with 554"):
        assert fate in first
    assert "delivered" not in second
    assert "The demo is there." in second
    assert "zielona.example: 20 accounts" in second
    assert own.manage("account", "list").count("\n") == 100 + 1  # and the superadmin
    subjects = own.wire.subjects("anna.bak@zielona.example", DEMO_PASSWORD)
    assert {"Zwykły list", "Na alias", "Do skrzynki zbiorczej (catch-all)"} <= set(subjects)
