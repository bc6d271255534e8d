"""The Celery application. Tasks live in `ingest.tasks`, `training.tasks`; queues are named after the roles."""

from __future__ import annotations

import logging.config
import os
import warnings
from typing import Any

from celery import Celery
from celery.exceptions import CPendingDeprecationWarning
from celery.platforms import SecurityWarning
from celery.signals import celeryd_after_setup, setup_logging

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "faceproject.settings")

# Celery warns of root because messages may be pickled; ours are JSON, and containers have no other user to offer.
warnings.filterwarnings("ignore", category=SecurityWarning)

app = Celery("faceproject")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.steps["worker"].add("orchestration.stopping:StopInOrder")


@setup_logging.connect  # type: ignore[untyped-decorator]  # celery ships no types
def log_as_django_does(**kwargs: Any) -> None:
    """A receiver of this signal keeps Celery from setting levels and handlers of its own: LOG_LEVEL holds."""
    from django.conf import settings

    logging.config.dictConfig(settings.LOGGING)


@celeryd_after_setup.connect  # type: ignore[untyped-decorator]
def spare_pending_deprecations(**kwargs: Any) -> None:
    """At each lost connection Celery warns of a setting whose default changes one day; ours sets it."""
    warnings.filterwarnings("ignore", category=CPendingDeprecationWarning)
