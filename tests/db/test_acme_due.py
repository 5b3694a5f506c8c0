"""When a certificate by ACME is asked for again."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from enforcement.models import Certificate
from provisioning.acme import due_for_acme
from provisioning.doctor import certificate_finding
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


@pytest.mark.parametrize(
    ("days_old", "days_left", "is_acme", "level"),
    [
        (5, 2, True, "ok"),
        (5, 2, False, "warning"),
        (59, 9, True, "warning"),
        (80, 13, True, "warning"),
        (80, 15, True, "ok"),
        (80, 15, False, "ok"),
        (80, -1, True, "error"),
    ],
)
def test_only_what_renews_itself_may_be_near_its_end_without_a_warning(
    days_old: int, days_left: int, is_acme: bool, level: str, tmp_path: Path
) -> None:
    """What renews itself may be young and near its end; what somebody must renew is told in time."""
    file = tmp_path / "chain.pem"
    leaf = OtherAuthority().issue("mail.firma.test", key=new_key(), first_day=-days_old, last_day=days_left)
    file.write_bytes(pem(leaf))
    assert certificate_finding("certificate", file, is_acme=is_acme).level == level
