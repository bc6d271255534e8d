"""The scorer: pictures or embeddings in, personas out, over HTTP and by token; it writes nothing anywhere.

`serve` is the whole role. It follows the champion, or serves one exported version with no store.
"""

from __future__ import annotations

import os
import sys

__all__ = ["serve"]

#: Threads beside those that score: probes and refusals are answered while every slot is taken.
SPARE_THREADS = 4
#: Requests in hand may finish after SIGTERM, in seconds.
GRACEFUL_SECONDS = 30


def serve(host: str, port: int) -> None:
    """Look whether the scorer can start, then become its web server; does not return.

    Raises FaceProjectError (no token, unusable model folder or weights).
    """
    from django.conf import settings

    from orchestration.scorer.process import build
    from orchestration.scorer.tokens import tokens_of_installation

    tokens_of_installation(announce=True)
    build()  # what cannot be built is named here, once, and not by a web server that tries again
    command = [
        *(sys.executable, "-m", "gunicorn", "--config", "python:faceproject.gunicorn_conf"),
        *("--threads", str(settings.SCORER_CONCURRENCY + SPARE_THREADS)),
        *("--graceful-timeout", str(GRACEFUL_SECONDS), "--bind", f"{f'[{host}]' if ':' in host else host}:{port}"),
        "orchestration.scorer.wsgi:application",
    ]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "faceproject.settings_scorer"}
    sys.stdout.flush()
    os.chdir(settings.BASE_DIR)
    os.execve(sys.executable, command, environment)  # noqa: S606 - our own command
