"""The Celery application. The root worker (QMAILUX_WORKER=node) knows provisioning's tasks and nothing
else.
"""

from __future__ import annotations

import os

from celery import Celery
from celery.schedules import crontab

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "qmailux_site.settings")

app = Celery("qmailux")
app.config_from_object("django.conf:settings", namespace="CELERY")
if os.environ.get("QMAILUX_WORKER") == "node":
    app.autodiscover_tasks(["provisioning"])
else:
    app.autodiscover_tasks()
app.conf.task_routes = {"provisioning.tasks.node_*": {"queue": "node"}}


def _often(task: str, seconds: float, *, expires: float | None = None) -> dict[str, object]:
    """What a busy worker has not begun before the next one is due is not begun at all."""
    return {"task": task, "schedule": seconds, "options": {"expires": expires or seconds - 1}}


app.conf.beat_schedule = {
    # Heals what a dead broker or worker lost: pending changes are in the database, not in the message.
    "sweep": _often("provisioning.tasks.node_sweep", 10),
    "seal": _often("provisioning.tasks.node_seal_secrets", 60),
    "recovery": _often("provisioning.tasks.node_send_recovery", 20),
    "sms": _often("accounts.tasks.send_sms", 5),
    "sms-by-mail": _often("provisioning.tasks.node_send_sms", 10),
    # With the time that a count takes, what the panel shows is at most 5 minutes old.
    "usage": _often("provisioning.tasks.node_count_usage", 120),
    "addresses": _often("provisioning.tasks.node_look_at_addresses", 60),
    "notices": _often("accounts.tasks.send_notices", 30),
    "autoresponders": {"task": "accounts.tasks.end_autoresponders", "schedule": 900.0},
    "departures": {"task": "accounts.tasks.end_departures", "schedule": 900.0},
    "handover": _often("provisioning.tasks.node_hand_over_all", 10),
    "usage-samples": {"task": "accounts.tasks.keep_usage_samples", "schedule": 3600.0},
    "locks": _often("enforcement.tasks.lift_locks", 10),
    "bulk": _often("accounts.tasks.sweep_bulk_jobs", 15),
    "sessions": {"task": "accounts.tasks.forget_old_sessions", "schedule": 3600.0},
    "stopped": _often("provisioning.tasks.node_count_stopped", 60),
    "numbers": _often("domains.tasks.recount", 10),
    "old-days": {"task": "domains.tasks.forget_old_days", "schedule": 86400.0},
    "watch": _often("provisioning.tasks.node_watch", 20),
    "watch-nodes": _often("provisioning.tasks.watch_nodes", 60),
    "sending": _often("provisioning.tasks.node_count_sending", 60),
    "brake": _often("provisioning.tasks.node_take_tripped", 2, expires=2),
    "bounces": _often("enforcement.tasks.watch_bounces", 30),
    "listings": _often("antispam.tasks.look_up_addresses", 900),
    "dkim": _often("domains.tasks.look_for_waiting_keys", 300),
    "alarms": _often("alarms.tasks.tell", 10),
    "alarm-mail": _often("provisioning.tasks.node_mail_alarms", 10),
    "old-alarms": {"task": "alarms.tasks.forget_old_alarms", "schedule": 86400.0},
    "parts": _often("provisioning.tasks.node_look_at_parts", 30),
    "rules": {"task": "provisioning.tasks.node_fetch_rules", "schedule": crontab(hour="4", minute="41")},
    "signatures": {"task": "provisioning.tasks.node_fetch_signatures", "schedule": 3 * 3600.0},
    # The rules say daily; asked more often, so that a machine that is off at night has its turn.
    "rotate-logs": {"task": "provisioning.tasks.node_rotate_logs", "schedule": 3600.0},
    "expire-spam": {
        "task": "provisioning.tasks.node_expire_spam",
        "schedule": crontab(hour="3", minute="17"),
    },
    "guessing": _often("provisioning.tasks.node_look_for_guessing", 5),
    "blocks": _often("provisioning.tasks.node_settle_blocks", 10),
    "certificates": _often("provisioning.tasks.node_look_at_certificates", 300),
    "purge-deleted": {"task": "provisioning.tasks.node_purge_deleted", "schedule": 3600.0},
}
