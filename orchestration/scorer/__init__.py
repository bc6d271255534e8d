"""The scorer: pictures or embeddings in, personas out, over HTTP and by token; it writes nothing anywhere.

`serve` is the whole role. It follows the champion, or serves one exported version with no store.
"""

from __future__ import annotations

import os
import sys
from typing import NoReturn

__all__ = ["serve"]

#: Threads beside those that score: probes and refusals are answered while every slot is taken.
SPARE_THREADS = 4
#: An idle connection is kept longer than proxies keep theirs (60 s), so that none sends into one that is just closed.
KEEP_ALIVE_SECONDS = 75


def serve(host: str, port: int) -> NoReturn:
    """Look whether the scorer can start, then become its web server; does not return.

    Raises FaceProjectError (address taken, no token, unusable model folder or weights).
    """
    from django.conf import settings

    from orchestration.roles import SCORER
    from orchestration.scorer.process import build
    from orchestration.scorer.tokens import tokens_of_installation
    from orchestration.serving import require_free
    from personas.log_context import ROLE_VARIABLE
    from personas.management.schema import create_private

    require_free(host, port)
    if not settings.SCORER_MODEL_DIR:
        create_private()  # or SQLite would make its file for everybody, when nobody was here before
    build()  # what cannot be built is named here, once, and not by a web server that tries again
    tokens_of_installation(announce=True)  # a scorer that did not start has no need of a token
    command = [
        *(sys.executable, "-m", "gunicorn", "--config", "python:faceproject.gunicorn_conf"),
        *("--threads", str(settings.SCORER_CONCURRENCY + SPARE_THREADS)),
        *("--keep-alive", str(KEEP_ALIVE_SECONDS)),
        *("--bind", f"{f'[{host}]' if ':' in host else host}:{port}"),
        "orchestration.scorer.wsgi:application",
    ]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "faceproject.settings_scorer", ROLE_VARIABLE: SCORER}
    # Found from any folder, and in it: relative paths in the settings stay what they are.
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(settings.BASE_DIR), os.environ.get("PYTHONPATH")]))
    sys.stdout.flush()
    os.execve(sys.executable, command, environment)  # noqa: S606 - our own command
