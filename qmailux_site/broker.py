"""Telling a worker that there is something to do."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery import Task
from kombu.exceptions import KombuError, OperationalError

log = logging.getLogger(__name__)


def tell_worker(
    task: Task[..., Any], *arguments: int, otherwise: str, expires_seconds: int | None = None
) -> bool:
    """Order the task; False while the broker cannot be reached. A dead one costs seconds, never the change.

    otherwise: what becomes of the order then, for the log. Orders that nobody takes up are dropped after
    expires_seconds.
    """
    options: dict[str, Any] = {} if expires_seconds is None else {"expires": expires_seconds}
    try:
        task.apply_async(args=arguments, retry=False, ignore_result=True, **options)
    except (OperationalError, KombuError, OSError) as error:
        log.warning("broker unreachable, %s: %s", otherwise, error)
        return False
    return True


@contextmanager
def not_running_yet() -> Iterator[None]:
    """For orders of which it is known that no broker can take them yet: nothing is logged of it."""
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)
