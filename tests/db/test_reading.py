"""A change is read once for all stores, and anew when somebody has committed in between."""

from __future__ import annotations

from threading import Thread

import pytest
from django.db import connection

from accounts.models import Account
from provisioning.reading import Reading

TRIES = 100  # other tests may commit on the same server

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_second_group_of_stores_gets_what_was_read_for_the_first(ala: Account) -> None:
    reading = Reading({ala.address}, "mail.example.com")
    assert any(reading.fresh() is reading.fresh() for _try in range(TRIES))


def test_what_somebody_else_commits_in_between_is_seen(ala: Account) -> None:
    reading = Reading({ala.address}, "mail.example.com")
    before = reading.fresh().entries["account"][ala.address]

    def set_quota() -> None:
        Account.objects.filter(pk=ala.pk).update(quota_bytes=123_000_000)
        connection.close()

    thread = Thread(target=set_quota)
    thread.start()
    thread.join()
    after = reading.fresh().entries["account"][ala.address]
    assert "123000000" not in str(before)
    assert "123000000" in str(after)
