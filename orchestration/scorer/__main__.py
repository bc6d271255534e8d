"""`python -m orchestration.scorer`: the scorer without `manage.py`, and so without a SECRET_KEY."""

from __future__ import annotations

import argparse
import os
import sys


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m orchestration.scorer", description="Answer POST /v1/score.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8001, help="port to listen on (default: 8001)")
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "faceproject.settings_scorer")
    import django

    django.setup()
    from orchestration.scorer import serve
    from personas.errors import FaceProjectError

    try:
        serve(options.host, options.port)
    except FaceProjectError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
