from __future__ import annotations

from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import migrations
from django.db.models import F, Value
from django.db.models.functions import Concat, Upper

from qmailux_site.parts_index import add_parts_index

# As accounts.querysets.SEARCHED. The domain first: it is always known, and without it the whole server's hits are read.
SEARCHED = Upper(Concat("address", Value("\n"), "name"))
INDEX = GinIndex(F("domain"), OpClass(SEARCHED, name="gin_trgm_ops"), name="account_parts")


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0027_deletion_jobs"),
    ]

    operations = [add_parts_index("accounts", "account", INDEX)]
