#!/usr/bin/env python
"""Django's command-line utility."""

import os
import sys


def main() -> None:
    scorer = sys.argv[1:3] == ["role", "scorer"]  # has settings of its own, which need no SECRET_KEY
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "faceproject.settings_scorer" if scorer else "faceproject.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
