from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0026_password_jobs"),
    ]

    operations = [
        migrations.AlterField(
            model_name="bulkjob",
            name="kind",
            field=models.CharField(
                choices=[
                    ("accounts", "accounts"),
                    ("aliases", "aliases"),
                    ("password", "passwords"),
                    ("delete", "deletion"),
                ],
                max_length=8,
            ),
        ),
    ]
