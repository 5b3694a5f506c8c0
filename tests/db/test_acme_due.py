"""When a certificate by ACME is asked for again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from enforcement.models import Certificate
from provisioning.acme import due_for_acme
from tests.mail.other_authority import OtherAuthority, new_key, pem

pytestmark = pytest.mark.django_db


def in_use(*, days_old: int, days_left: int, **values: object) -> Certificate:
    leaf = OtherAuthority().issue("mail.firma.test", key=new_key(), first_day=-days_old, last_day=days_left)
    return Certificate.objects.create(
        kind="acme", state="active", names=["mail.firma.test"], chain=pem(leaf).decode(), **values
    )


@pytest.mark.parametrize(
    ("days_old", "days_left", "is_due"),
    [(1, 3, False), (3, 1, True), (59, 31, False), (61, 29, True), (300, 65, False), (336, 29, True)],
)
def test_a_certificate_is_due_in_its_last_third_or_month(days_old: int, days_left: int, is_due: bool) -> None:
    found = in_use(days_old=days_old, days_left=days_left)
    assert due_for_acme() == ([found.pk] if is_due else [])


def test_after_a_refusal_an_hour_passes() -> None:
    found = in_use(days_old=80, days_left=10, error="odmowa", tried_at=timezone.now())
    assert due_for_acme() == []
    Certificate.objects.update(tried_at=timezone.now() - timedelta(hours=1))
    assert due_for_acme() == [found.pk]
