from __future__ import annotations

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def name_domains(apps: Apps, _schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Mailboxes deleted before there was a column for it."""
    DeletedMailbox = apps.get_model("accounts", "DeletedMailbox")
    unnamed = DeletedMailbox.objects.filter(domain_name="")
    for pk, address in unnamed.values_list("pk", "address").iterator(chunk_size=2000):
        DeletedMailbox.objects.filter(pk=pk).update(domain_name=address.rpartition("@")[2])


class Migration(migrations.Migration):

    dependencies = [
        ("accounts", "0013_deleted_mailbox_settings"),
    ]

    operations = [
        migrations.RunPython(name_domains, migrations.RunPython.noop, elidable=True),
    ]
