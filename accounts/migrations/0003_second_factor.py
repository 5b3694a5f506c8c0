from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_app_passwords")]

    operations = [
        migrations.AddField(
            model_name="account",
            name="second_factor_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
    ]
