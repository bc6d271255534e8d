"""Settings of the scorer's process: the product's own, less what only pages need.

The scorer signs nothing and keeps no session, so it needs no SECRET_KEY; it is asked by token, under whatever name, so
ALLOWED_HOSTS is not looked at; nothing it is sent touches a disk.
"""

from __future__ import annotations

import os
import secrets

if not os.environ.get("SECRET_KEY_FILE"):
    os.environ.setdefault("SECRET_KEY", secrets.token_urlsafe(50))

from faceproject.settings import *  # noqa: F403 - settings are meant to be taken over whole
from faceproject.settings import INSTALLED_APPS, LOGGING, SCORER_MAX_BODY_BYTES, SCORER_MAX_PICTURES

_PAGES = {
    "faceproject.admin_app.ProductAdminConfig",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_htmx",
}
INSTALLED_APPS = [app for app in INSTALLED_APPS if app not in _PAGES]
ROOT_URLCONF = "orchestration.scorer.urls"
WSGI_APPLICATION = "orchestration.scorer.wsgi.application"
MIDDLEWARE = [
    "personas.middleware.RequestIdMiddleware",
    "orchestration.scorer.middleware.ProblemMiddleware",
    "orchestration.scorer.middleware.TokenMiddleware",  # deny by default
]
# No limit of Django's: the scorer looks at Content-Length before it reads anything.
DATA_UPLOAD_MAX_MEMORY_SIZE = None  # type: ignore[assignment]
FILE_UPLOAD_MAX_MEMORY_SIZE = SCORER_MAX_BODY_BYTES  # pictures of a form stay in memory
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.MemoryFileUploadHandler"]
DATA_UPLOAD_MAX_NUMBER_FILES = SCORER_MAX_PICTURES
DATA_UPLOAD_MAX_NUMBER_FIELDS = 10
# Refusals are answers, not errors of this process; what broke is logged with its traceback.
LOGGING = {
    **LOGGING,
    "filters": {
        **LOGGING.get("filters", {}),
        "broken": {"()": "django.utils.log.CallbackFilter", "callback": lambda record: bool(record.exc_info)},
    },
    "loggers": {**LOGGING["loggers"], "django.request": {"filters": ["broken"]}},
}
