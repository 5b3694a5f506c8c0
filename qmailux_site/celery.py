"""The Celery application. The root worker (QMAILUX_WORKER=node) knows provisioning's tasks and nothing
else.
"""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "qmailux_site.settings")

app = Celery("qmailux")
app.config_from_object("django.conf:settings", namespace="CELERY")
if os.environ.get("QMAILUX_WORKER") == "node":
    app.autodiscover_tasks(["provisioning"])
else:
    app.autodiscover_tasks()
app.conf.task_routes = {"provisioning.tasks.node_*": {"queue": "node"}}
app.conf.beat_schedule = {
    # Heals what a dead broker or worker lost: pending changes are in the database, not in the message.
    "sweep": {"task": "provisioning.tasks.node_sweep", "schedule": 10.0, "options": {"expires": 9}},
    # With the time that a count takes, what the panel shows is at most 5 minutes old.
    "usage": {
        "task": "provisioning.tasks.node_count_usage",
        "schedule": 120.0,
        "options": {"expires": 119},
    },
    "notices": {"task": "accounts.tasks.send_notices", "schedule": 30.0, "options": {"expires": 29}},
    "autoresponders": {"task": "accounts.tasks.end_autoresponders", "schedule": 900.0},
    "purge-deleted": {"task": "provisioning.tasks.node_purge_deleted", "schedule": 3600.0},
}
