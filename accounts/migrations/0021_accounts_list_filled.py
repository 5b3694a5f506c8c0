from __future__ import annotations

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import Max, OuterRef, Subquery


def fill(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """What has been counted so far."""
    account = apps.get_model("accounts", "Account")
    usage = apps.get_model("accounts", "MailboxUsage").objects.filter(account=OuterRef("pk"))
    logins = apps.get_model("accounts", "LastLogin").objects.filter(account=OuterRef("pk"))
    newest = logins.order_by().values("account").annotate(newest=Max("at")).values("newest")
    account.objects.filter(usage__isnull=False).update(used_bytes=Subquery(usage.values("used_bytes")))
    account.objects.filter(last_logins__isnull=False).update(logged_in_at=Subquery(newest))


class Migration(migrations.Migration):
    dependencies = [("accounts", "0020_accounts_list")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
