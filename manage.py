#!/usr/bin/env python3
"""Entry of every command. As root it becomes the user qmailux, unless the command works on the machine.

A setting that cannot be is one sentence, not a traceback.
"""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

# As in provisioning.stack.failures, which cannot be imported without settings.
HOME_UNUSABLE = 7


# Loading makes many objects and no garbage: to look for some after every 700 takes a tenth of the start.
OBJECTS_A_COLLECTION = 50_000


def main() -> None:
    gc.set_threshold(OBJECTS_A_COLLECTION)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "qmailux_site.settings")
    from provisioning.reach import go_to_copy

    go_to_copy(Path(__file__).resolve().parent)
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    from qmailux_site.errors import SetupError
    from qmailux_site.privileges import drop_unless_needed, refuse_without_root

    refuse_without_root(sys.argv)
    drop_unless_needed(sys.argv)
    try:
        execute_from_command_line(sys.argv)
    except (ImproperlyConfigured, SetupError) as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(HOME_UNUSABLE if isinstance(error, SetupError) else 1)


if __name__ == "__main__":
    main()
