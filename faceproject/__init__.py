"""The Django project: settings, URLs, processes."""

from faceproject.celery import app as celery_app

__all__ = ["celery_app"]
