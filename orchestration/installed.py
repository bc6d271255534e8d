"""Which versions are at work here: the product's, its models', the store's, the libraries'."""

from __future__ import annotations

import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from django.conf import settings
from django.db import connection

from personas.bootstrap import is_bootstrap
from personas.entities import INGEST, Champion
from personas.management.schema import store_schema
from personas.store.base import Store
from personas.version import VERSION

LIBRARIES: Final = ("Django", "celery", "numpy", "onnxruntime", "scikit-learn", "openvino", "cassandra-driver")
#: Pictures named by the last ingest event that are looked at for what found their faces.
NEWEST: Final = 1

Versions = tuple[tuple[str, str], ...]


def versions_in_use(store: Store, champion: Champion | None) -> Versions:
    """Title and version; what is not there is left out."""
    detector, embedder = _extractor(store)
    in_use = store.model_version(champion.version) if champion else None
    found = (
        ("Product", VERSION),
        ("Detector of new pictures", _detector()),
        ("Detector of the newest pictures", detector),
        ("Embedder of the newest pictures", embedder),
        ("Version of the classifier", f"{in_use.version}, on {in_use.embedder}" if in_use else "none yet"),
        ("State repository", f"{_store_kind()}, schema {store_schema()}"),
        ("Users and sessions", "one administrator, sessions in cookies" if is_bootstrap() else connection.vendor),
    )
    return tuple((title, text) for title, text in found if text)


def _extractor(store: Store) -> tuple[str, str]:
    """Tags of what read the newest pictures; loading the models to ask them would take seconds."""
    head = store.head(INGEST)
    events = store.events(INGEST, after=head - 1, limit=1) if head else ()
    if not events:
        return "", ""
    ids = list(events[-1].payload.get("images", ()))[:NEWEST]
    detector = next((image.detector for image in store.images_by_id(ids).values()), "")
    return detector, str(events[-1].payload.get("embedder", ""))


def _detector() -> str:
    """What the settings of the web say; those of the workers are the same in one installation."""
    if settings.FACE_DETECTOR != "azure":
        return str(settings.FACE_DETECTOR)
    fallback = ", or the embedded one" if settings.FACE_DETECTOR_FALLBACK else ""
    return f"Azure Face, tier {settings.AZURE_FACE_TIER}{fallback}"


def _store_kind() -> str:
    return "Cassandra" if settings.STATE_STORE == "cassandra" else f"SQL ({connection.vendor})"


@cache
def libraries() -> Versions:
    """Name and version of what is installed, looked up once a process."""
    found = [("Python", platform.python_version())]
    for name in LIBRARIES:
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:
            continue
    return tuple(found)
