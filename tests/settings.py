"""The product's settings with all state in a folder of the test run's own, removed at its end.

pytest-django reads settings before it loads any conftest.py, so the environment is prepared here. Each of several test
workers has a home of its own in that folder: what one erases, another has just drawn. Processes that tests start
inherit it; see `child_environment` in tests/conftest.py.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

if "FACEPROJECT_TEST_HOME" not in os.environ:
    _home = tempfile.mkdtemp(prefix="faceproject-tests-")
    os.environ["FACEPROJECT_TEST_HOME"] = _home
    _creator = os.getpid()

    def _remove_home() -> None:
        if os.getpid() == _creator:  # not in a forked child
            shutil.rmtree(_home, ignore_errors=True)

    atexit.register(_remove_home)
    for _name in ("MEDIA_ROOT", "CACHE_ROOT", "DATABASE_URL", "REDIS_URL", "STATE_STORE", "STORES", "STORE_BUCKETS"):
        os.environ.pop(_name, None)  # what a developer exported for a server must not reach the tests
os.environ["FACEPROJECT_HOME"] = str(
    Path(os.environ["FACEPROJECT_TEST_HOME"]) / os.environ.get("PYTEST_XDIST_WORKER", "one")
)

from faceproject.settings import *  # noqa: F403 - settings are meant to be taken over whole
from faceproject.settings import DATABASES, STORAGES, env

#: The manifest storage needs a `collectstatic` first.
STORAGES["staticfiles"] = {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # fast; passwords of tests are no secrets
if _postgres := os.environ.get("TEST_POSTGRES_URL"):
    DATABASES["postgres"] = env.db_url_config(_postgres)
