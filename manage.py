#!/usr/bin/env python3
"""Entry of every command. As root it becomes the user qmailux, unless the command works on the machine."""

from __future__ import annotations

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "qmailux_site.settings")
    from django.core.management import execute_from_command_line

    from qmailux_site.privileges import drop_unless_needed

    drop_unless_needed(sys.argv)
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
