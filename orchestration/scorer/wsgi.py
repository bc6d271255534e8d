"""WSGI entry point of the scorer; gunicorn imports it in the process that answers."""

from __future__ import annotations

import gc
import logging
import os
import sys

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "faceproject.settings_scorer")

from django.core.wsgi import get_wsgi_application

from orchestration.scorer.process import build, current_scorer, install
from personas.errors import FaceProjectError

application = get_wsgi_application()


#: gunicorn's exit code for an application that does not load: it does not try again.
APP_LOAD_ERROR = 4

try:
    install(build())
except FaceProjectError as error:
    logging.getLogger(__name__).error("the scorer cannot start: %s", error)
    sys.exit(APP_LOAD_ERROR)
current_scorer().source.start()
#: What is loaded now stays. Looking for garbage in it, again and again while an answer of ten thousand objects is made,
#: would take longer than making it.
gc.freeze()
