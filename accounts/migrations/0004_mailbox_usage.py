from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0003_second_factor")]

    operations = [
        migrations.CreateModel(
            name="MailboxUsage",
            fields=[
                (
                    "account",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="usage",
                        serialize=False,
                        to="accounts.account",
                    ),
                ),
                ("used_bytes", models.BigIntegerField()),
                ("message_count", models.BigIntegerField()),
            ],
        ),
        migrations.AddField(
            model_name="account",
            name="must_change_password",
            field=models.BooleanField(db_default=False, default=False),
        ),
    ]
