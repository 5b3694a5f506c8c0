from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("provisioning", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="node",
            name="usage_counted_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
    ]
