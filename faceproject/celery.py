"""The Celery application. Tasks live in `ingest.tasks`, `training.tasks`; queues are named after the roles."""

from __future__ import annotations

import os
import warnings

from celery import Celery
from celery.platforms import SecurityWarning

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "faceproject.settings")

# Celery warns of root because messages may be pickled; ours are JSON, and containers have no other user to offer.
warnings.filterwarnings("ignore", category=SecurityWarning)

app = Celery("faceproject")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
