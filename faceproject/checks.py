"""System checks: settings that cannot work together are named, with what to do, before anything starts."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register

from faceproject.logs import FORMATTERS
from ingest.allowed_folders import allowed_shares
from ingest.azure_share import AzureFilesError
from ingest.web.networks import Networks

STORES = ("sql", "cassandra")
FLAVOURS = ("cassandra", "cosmos")
DETECTORS = ("embedded", "azure")
FALLBACKS = ("", "embedded")
TIERS = ("S0", "F0")
RUNTIMES = ("onnxruntime", "openvino")
USERS = ("database", "postgresql", "bootstrap")
CHOICES = (
    ("STATE_STORE", STORES, "faceproject.E001"),
    ("FACE_DETECTOR", DETECTORS, "faceproject.E002"),
    ("FACE_RUNTIME", RUNTIMES, "faceproject.E003"),
    ("LOG_FORMAT", tuple(FORMATTERS), "faceproject.E007"),
    ("USERS", USERS, "faceproject.E021"),
)

#: How a User-Agent begins (RFC 9110, 10.1.5), and what robots.txt may call the crawler (RFC 9309, 2.2.1).
PRODUCT = re.compile(r"[A-Za-z_-]+/\S")

#: A task that takes a month hangs.
LONGEST_LIMIT_SECONDS = 31 * 24 * 3600


@register()
def check_choices(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """Settings that name one of a few things."""
    return [
        Error(
            f"{name}={getattr(settings, name)!r} is not known.",
            hint=f"Set it to one of: {', '.join(allowed)}.",
            id=check_id,
        )
        for name, allowed, check_id in CHOICES
        if getattr(settings, name) not in allowed
    ]


@register()
def check_cassandra(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """What Cassandra is asked for, when it is."""
    found: list[CheckMessage] = []
    if "cassandra" in settings.STORES and settings.CASSANDRA_FLAVOUR not in FLAVOURS:
        hint = f"Set it to one of: {', '.join(FLAVOURS)}."
        found.append(
            Error(f"CASSANDRA_FLAVOUR={settings.CASSANDRA_FLAVOUR!r} is not known.", hint=hint, id="faceproject.E008")
        )
    if settings.STATE_STORE not in settings.STORES:
        hint = "Let STORES name it too, or unset STORES."
        found.append(
            Error(f"STORES does not name STATE_STORE={settings.STATE_STORE!r}.", hint=hint, id="faceproject.E009")
        )
    return found


@register()
def check_users(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """Users are in one place, and it is named. That the web has its ADMIN_PASSWORD, the web looks at itself."""
    found: list[CheckMessage] = []
    if settings.USERS == "postgresql" and settings.DATABASES["default"]["ENGINE"] != "django.db.backends.postgresql":
        hint = "Set DATABASE_URL (or DATABASE_URL_FILE) to postgres://user:password@host/name."
        found.append(Error("USERS=postgresql, but DATABASE_URL names no PostgreSQL.", hint=hint, id="faceproject.E022"))
    if settings.USERS != "bootstrap":
        return found
    if settings.DATABASE_URL_IS_GIVEN:
        hint = "Unset DATABASE_URL, or unset USERS to keep users in that database."
        found.append(
            Error("USERS=bootstrap shares no database, and DATABASE_URL names one.", hint=hint, id="faceproject.E023")
        )
    if settings.STATE_STORE != "cassandra":
        hint = "Set STATE_STORE=cassandra, or USERS=database."
        found.append(
            Error(
                "USERS=bootstrap has no database for what is known of pictures and people.",
                hint=hint,
                id="faceproject.E024",
            )
        )
    return found


@register(Tags.security, deploy=True)
def check_administrator(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """Without its password the one administrator of USERS=bootstrap cannot be."""
    if settings.USERS == "bootstrap" and not settings.ADMIN_PASSWORD:
        return [
            checks.Warning(
                "USERS=bootstrap, but ADMIN_PASSWORD is not set: the web does not start without it.",
                hint="Set ADMIN_PASSWORD (or ADMIN_PASSWORD_FILE) where the web runs.",
                id="faceproject.W003",
            )
        ]
    return []


@register()
def check_runtime(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    if settings.FACE_RUNTIME == "openvino" and importlib.util.find_spec("openvino") is None:
        hint = "Run `pip install -r requirements-openvino.txt`, or unset FACE_RUNTIME."
        return [Error("FACE_RUNTIME=openvino, but OpenVINO is not installed.", hint=hint, id="faceproject.E004")]
    return []


@register()
def check_azure_face(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """Azure Face needs a client, an address and a key, and the key travels by TLS only."""
    if settings.FACE_DETECTOR != "azure":
        return []
    found: list[CheckMessage] = []

    def say(check_id: str, what: str, hint: str) -> None:
        found.append(Error(what, hint=hint, id=f"faceproject.{check_id}"))

    if importlib.util.find_spec("msrest") is None:
        hint = "Run `pip install -r requirements-azure.txt`, or unset FACE_DETECTOR."
        say("E015", "FACE_DETECTOR=azure, but its client is not installed.", hint)
    if not settings.AZURE_FACE_ENDPOINT.startswith("https://"):
        hint = "Set it to the endpoint of the Face resource, such as https://NAME.cognitiveservices.azure.com/."
        say("E016", f"AZURE_FACE_ENDPOINT={settings.AZURE_FACE_ENDPOINT!r} is no https address.", hint)
    if not settings.AZURE_FACE_KEY.strip():
        hint = "Set AZURE_FACE_KEY or AZURE_FACE_KEY_FILE to a key of the Face resource."
        say("E017", "FACE_DETECTOR=azure, but AZURE_FACE_KEY is not set.", hint)
    if settings.AZURE_FACE_TIER not in TIERS:
        hint = f"Set it to the tier of the Face resource: {' or '.join(TIERS)}."
        say("E018", f"AZURE_FACE_TIER={settings.AZURE_FACE_TIER!r} is not known.", hint)
    if settings.FACE_DETECTOR_FALLBACK not in FALLBACKS:
        hint = "Set it to embedded, or unset it: then work stops where the service is not approved."
        say("E019", f"FACE_DETECTOR_FALLBACK={settings.FACE_DETECTOR_FALLBACK!r} is not known.", hint)
    if settings.AZURE_CA_BUNDLE and not Path(settings.AZURE_CA_BUNDLE).is_file():
        hint = "Name a PEM file, or unset it."
        say("E020", f"AZURE_CA_BUNDLE={settings.AZURE_CA_BUNDLE!r} is no file.", hint)
    return found


@register()
def check_limits(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """A time limit that leaves tasks no time would end every worker at once, for ever."""
    found: list[CheckMessage] = [
        Error(
            f"TASK_LIMIT_SECONDS_{queue.upper()}={seconds:g} is no time for a task.",
            hint=f"Set it well above the longest task of the {queue} queue, in seconds, or unset it.",
            id="faceproject.E010",
        )
        for queue, seconds in settings.TASK_LIMIT_SECONDS.items()
        if not 1 <= seconds <= LONGEST_LIMIT_SECONDS
    ]
    if not settings.STOP_GRACE_SECONDS >= 0:
        hint = "Set it to the seconds a task in hand may still take, less than its supervisor waits; 0 for none."
        found.append(
            Error(f"STOP_GRACE_SECONDS={settings.STOP_GRACE_SECONDS:g} is no time.", hint=hint, id="faceproject.E011")
        )
    return found


@register()
def check_crawler(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """Networks that may be asked are written as networks, and the crawler says who it is."""
    found: list[CheckMessage] = []
    try:
        Networks.of(allowed=settings.CRAWLER_ALLOWED_NETWORKS, ports=settings.CRAWLER_ALLOWED_PORTS)
    except ValueError as error:
        hint = "Write networks as 10.0.0.0/8 or fd00::/8, with commas between them, or unset it."
        found.append(Error(f"CRAWLER_ALLOWED_NETWORKS cannot be read: {error}.", hint=hint, id="faceproject.E012"))
    if not PRODUCT.match(settings.CRAWLER_USER_AGENT) or not settings.CRAWLER_USER_AGENT.isprintable():
        hint = "Begin it with a name and a version, such as faceproject/1.0 (+https://example.org/contact)."
        found.append(
            Error(
                f"CRAWLER_USER_AGENT={settings.CRAWLER_USER_AGENT!r} names no product.",
                hint=hint,
                id="faceproject.E013",
            )
        )
    if not settings.CRAWLER_TIMEOUT_SECONDS > 0 or not settings.CRAWLER_DELAY_SECONDS >= 0:
        hint = "Give seconds: a time-out over 0, a delay of 0 or more; or unset both."
        found.append(
            Error("CRAWLER_TIMEOUT_SECONDS or CRAWLER_DELAY_SECONDS is no time.", hint=hint, id="faceproject.E014")
        )
    return found


@register()
def check_ingest_folders(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """Shares among the folders that may be read are addresses of shares."""
    try:
        allowed_shares()
    except AzureFilesError as error:
        hint = "Mend it in INGEST_FOLDERS, or take it out."
        return [Error(f"INGEST_FOLDERS cannot be read: {error}", hint=hint, id="faceproject.E025")]
    return []


@register()
def check_weights(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """Weights of an operator's own come with the hash that vouches for them."""
    return [
        Error(
            f"{name} is set, but {name}_SHA256 is not.",
            hint="Give the SHA-256 of the file: weights are refused when they are not what was vouched for.",
            id=f"faceproject.E00{number}",
        )
        for number, name in enumerate(("FACE_DETECTOR_WEIGHTS", "FACE_EMBEDDER_WEIGHTS"), start=5)
        if getattr(settings, name) and not getattr(settings, f"{name}_SHA256")
    ]


@register(Tags.security, deploy=True)
def check_served(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """Embedded mode signs in by a link on the console; that is for one person on one machine."""
    if settings.EMBEDDED:
        return [
            checks.Warning(
                "EMBEDDED is on: sign-in is by a one-time link, cookies are not restricted to TLS.",
                hint="Set EMBEDDED=false, SECRET_KEY and ALLOWED_HOSTS to serve others.",
                id="faceproject.W001",
            )
        ]
    return []


@register(Tags.staticfiles, deploy=True)
def check_collected(app_configs: Any, **kwargs: Any) -> Sequence[CheckMessage]:
    """Pages name static files by the hash in a manifest; without it every page is an error."""
    if settings.EMBEDDED or (Path(settings.STATIC_ROOT) / "staticfiles.json").is_file():
        return []
    return [
        checks.Warning(
            f"The static files are not collected in {settings.STATIC_ROOT}.",
            hint="Run `manage.py collectstatic --noinput` before the web process starts (`manage.py run` does it).",
            id="faceproject.W002",
        )
    ]
