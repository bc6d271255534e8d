"""The Celery application. Tasks live in `ingest.tasks`, `training.tasks`; queues are named after the roles."""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "faceproject.settings")

app = Celery("faceproject")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
