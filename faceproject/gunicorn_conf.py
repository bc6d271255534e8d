"""gunicorn's settings for the web role: `gunicorn -c python:faceproject.gunicorn_conf faceproject.wsgi`.

What gunicorn itself says goes through the product's log format, so that LOG_FORMAT=json holds for every line.
"""

from __future__ import annotations

import os
from typing import Any

from faceproject.logs import FORMATTERS, format_of
from personas.log_context import ROLE_VARIABLE

worker_class = "gthread"
workers = 1  # one process, so that caches are shared; scale by more replicas
threads = 8  # pages wait for disk and store, not for the CPU
timeout = 120
graceful_timeout = max(int(float(os.environ.get("STOP_GRACE_SECONDS", "8"))), 1)  # for requests in hand at SIGTERM
control_socket_disable = True  # nothing uses it, and it would lie in a home folder that containers may not write

_log_format = format_of(os.environ)
_formatter = _log_format if _log_format in FORMATTERS else "line"
_level = os.environ.get("LOG_LEVEL", "INFO")
logconfig_dict: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": FORMATTERS,
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": _formatter}},
    "root": {"handlers": ["stderr"], "level": _level},
    "loggers": {
        "gunicorn.error": {"handlers": ["stderr"], "level": _level, "propagate": False},
        "gunicorn.access": {"level": "WARNING"},  # silent: addresses hold what people search for
    },
}


def post_worker_init(worker: Any) -> None:
    """The process with the pages answers probes too, on PROBE_PORT; pages go on where it cannot."""
    from orchestration.probes import UnableToProbeError, probes_of, serve_probes
    from orchestration.roles import ROLES, WEB

    try:
        serve_probes(probes_of(ROLES[os.environ.get(ROLE_VARIABLE, WEB)], heartbeat=None))
    except UnableToProbeError as error:
        worker.log.error("%s", error)
