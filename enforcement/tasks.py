"""Celery tasks of an ordinary worker."""

from __future__ import annotations

from celery import shared_task

from accounts.actor import Actor
from enforcement import actions


@shared_task(name="enforcement.tasks.watch_bounces")
def watch_bounces() -> None:
    """A list of strangers that was bought or guessed is known by what comes back, and spam by its words."""
    actions.stop_whose_mail_comes_back(by=Actor.task())
    actions.stop_who_sends_spam(by=Actor.task())


@shared_task(name="enforcement.tasks.lift_locks")
def lift_locks() -> None:
    """Locks whose end has come, and encryption whose start has."""
    actions.lift_locks_that_are_over(by=Actor.task())
    actions.lift_blocks_that_are_over(by=Actor.task())
    actions.begin_encryption_that_is_due(by=Actor.task())
