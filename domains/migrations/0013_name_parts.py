from __future__ import annotations

from django.contrib.postgres.indexes import GinIndex
from django.db import migrations

from qmailux_site.parts_index import add_parts_index

NAME = GinIndex(fields=["name"], opclasses=["gin_trgm_ops"], name="domain_name_parts")
ALIAS = GinIndex(fields=["name"], opclasses=["gin_trgm_ops"], name="domain_alias_name_parts")


class Migration(migrations.Migration):
    dependencies = [
        ("domains", "0012_smarthosts"),
    ]

    operations = [
        add_parts_index("domains", "domain", NAME),
        add_parts_index("domains", "domainalias", ALIAS),
    ]
