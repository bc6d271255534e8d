"""Settings, all from the environment; any secret also as NAME_FILE.

Two modes. *Embedded* (the default): one machine, SQLite, state below FACEPROJECT_HOME, a generated secret,
loopback only. *Served*: set EMBEDDED=false, and every secret must be given; `check --deploy` says what is missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from faceproject.environment import Environment
from faceproject.logs import FORMATTERS, format_of, tells_news
from orchestration.home import CACHE, DATABASE, MEDIA, QUEUE, STATIC, USERS_DATABASE, claim, own_secret
from orchestration.queues import FOLDER_URL, QUEUES, folder_options, redis_options, redis_tls
from personas.version import VERSION

env = Environment()
BASE_DIR = Path(__file__).resolve().parent.parent


@contextmanager
def _usable(name: str, path: Path | str) -> Iterator[None]:
    """A folder that cannot be used ends the process with one line: Django would show a traceback instead."""
    try:
        yield
    except OSError as error:
        raise SystemExit(
            f"{path} cannot be used ({error.strerror or error}). "
            f"Set {name} to a folder that you may write to, or make this one so."
        ) from None


# ---- where and how it runs -------------------------------------------------------------------------------------------
EMBEDDED = env.bool("EMBEDDED", default=True)
DEBUG = env.bool("DEBUG", default=False)
FACEPROJECT_HOME = Path(env.str("FACEPROJECT_HOME", default=str(BASE_DIR / "var"))).resolve()
with _usable("FACEPROJECT_HOME", FACEPROJECT_HOME):
    claim(FACEPROJECT_HOME)  # before anything else is written there
MEDIA_ROOT = str(Path(env.str("MEDIA_ROOT", default=str(FACEPROJECT_HOME / MEDIA))).absolute())
# Rebuildable; local disk.
CACHE_ROOT = str(Path(env.str("CACHE_ROOT", default=str(FACEPROJECT_HOME / CACHE))).absolute())

SECRET_KEY = env.str("SECRET_KEY", default="")
if not SECRET_KEY:
    if not EMBEDDED:
        raise ImproperlyConfigured("SECRET_KEY (or SECRET_KEY_FILE) must be set when EMBEDDED=false.")
    with _usable("FACEPROJECT_HOME", FACEPROJECT_HOME):
        SECRET_KEY = own_secret(FACEPROJECT_HOME, "secret_key")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"] if EMBEDDED else [])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])

# ---- state -----------------------------------------------------------------------------------------------------------
STATE_STORE = env.str("STATE_STORE", default="sql")
STORES = env.list("STORES", default=[STATE_STORE])  # both, to copy from one to the other
STORE_BUCKETS = env.int("STORE_BUCKETS", default=64)  # taken when the store is created, then fixed

# Where users are: "database" (DATABASE_URL, or a file), "postgresql" (DATABASE_URL, which must be given), or
# "bootstrap" (one administrator, in a file of this container alone: personas/bootstrap.py).
USERS = env.str("USERS", default="database")
ADMIN_PASSWORD = env.str("ADMIN_PASSWORD", default="").strip("\r\n")  # a file may end its line
_database_url = env.str("DATABASE_URL", default="")
_file = DATABASE
DATABASE_URL_IS_GIVEN = bool(_database_url)
if USERS == "bootstrap":
    _database_url, _file = "", USERS_DATABASE
    SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
DATABASES = {
    "default": env.db_url_config(_database_url)
    if _database_url
    else {"ENGINE": "django.db.backends.sqlite3", "NAME": str(FACEPROJECT_HOME / _file)}
}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    if DATABASES["default"]["NAME"] != ":memory:":  # a relative path is one below the state folder, wherever we start
        DATABASES["default"]["NAME"] = str(FACEPROJECT_HOME / DATABASES["default"]["NAME"])
    # Several processes write: take the write lock at BEGIN (a read lock that is upgraded later fails at once), wait for
    # it, and let readers go on meanwhile. https://docs.djangoproject.com/en/5.2/ref/databases/#sqlite-notes
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA mmap_size=268435456;",
    }
    DATABASES["default"]["TEST"] = {"NAME": str(FACEPROJECT_HOME / "test.sqlite3")}  # a file: tests start processes
else:
    DATABASES["default"]["CONN_MAX_AGE"] = 60
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
if "cassandra" in STORES:
    try:
        from personas.store.cassandra.options import database as _cassandra
    except ModuleNotFoundError as error:
        raise ImproperlyConfigured(
            f"Cassandra needs {error.name!r}, which is not installed: pip install -r requirements-cassandra.txt"
        ) from error

    CASSANDRA_FLAVOUR = env.str("CASSANDRA_FLAVOUR", default="cassandra")  # or "cosmos"
    # A second keyspace, for the tables that do not share the first one's throughput on Cosmos.
    CASSANDRA_SIDE_KEYSPACE = env.str("CASSANDRA_SIDE_KEYSPACE", default="")
    # For a new keyspace: a number of copies, "datacenter:copies, …", or a CQL map.
    CASSANDRA_REPLICATION = env.str("CASSANDRA_REPLICATION", default="1")
    try:
        DATABASES["cassandra"] = _cassandra(
            contact_points=env.list("CASSANDRA_CONTACT_POINTS", default=["127.0.0.1"]),
            port=env.int("CASSANDRA_PORT", default=0),  # 0: 9042, or 10350 on Cosmos
            keyspace=env.str("CASSANDRA_KEYSPACE", default="faceproject"),
            username=env.str("CASSANDRA_USERNAME", default=""),
            password=env.str("CASSANDRA_PASSWORD", default=""),
            tls=env.bool("CASSANDRA_TLS", default=False),
            tls_ca=env.str("CASSANDRA_TLS_CA", default=""),  # PEM file of a private authority
            tls_hostname=env.str("CASSANDRA_TLS_HOSTNAME", default=""),  # the name in every node's certificate
            flavour=CASSANDRA_FLAVOUR,
            datacenter=env.str("CASSANDRA_DATACENTER", default=""),
            request_timeout=env.float("CASSANDRA_REQUEST_TIMEOUT", default=0),  # seconds; 0: 15, or 65 on Cosmos
            connect_timeout=env.float("CASSANDRA_CONNECT_TIMEOUT", default=20),
        )
    except ValueError as error:
        raise ImproperlyConfigured(str(error)) from error
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# ---- extraction ------------------------------------------------------------------------------------------------------
FACE_DETECTOR = env.str("FACE_DETECTOR", default="embedded")  # or "azure" (requirements-azure.txt)
FACE_DETECTOR_FALLBACK = env.str("FACE_DETECTOR_FALLBACK", default="")  # "embedded": where Azure Face is not approved
FACE_EXTRACTOR = env.str("FACE_EXTRACTOR", default=f"ingest.extraction.{FACE_DETECTOR}")  # dotted path of a factory
FACE_RUNTIME = env.str("FACE_RUNTIME", default="onnxruntime")  # or "openvino" (requirements-openvino.txt)
FACE_PRECISION = env.str("FACE_PRECISION", default="bf16")  # of OpenVINO: "bf16" (AVX-512 BF16 or AMX) or "f32"
FACE_DETECTOR_WEIGHTS = env.str("FACE_DETECTOR_WEIGHTS", default="")
FACE_DETECTOR_WEIGHTS_SHA256 = env.str("FACE_DETECTOR_WEIGHTS_SHA256", default="")
FACE_EMBEDDER_WEIGHTS = env.str("FACE_EMBEDDER_WEIGHTS", default="")
FACE_EMBEDDER_WEIGHTS_SHA256 = env.str("FACE_EMBEDDER_WEIGHTS_SHA256", default="")
AZURE_FACE_ENDPOINT = env.str("AZURE_FACE_ENDPOINT", default="")  # of the Face resource: https://NAME.…/
try:
    AZURE_FACE_KEY = env.str("AZURE_FACE_KEY", default="")
except OSError as _error:
    raise SystemExit(
        f"AZURE_FACE_KEY_FILE cannot be read ({_error}). Point it at a file that this user may read."
    ) from None
AZURE_FACE_TIER = env.str("AZURE_FACE_TIER", default="S0")  # "F0": 20 requests a minute, "S0": 10 a second
AZURE_CA_BUNDLE = env.str("AZURE_CA_BUNDLE", default="")  # PEM file to trust for Azure in place of the system's
MAX_IMAGE_PIXELS = env.int("MAX_IMAGE_PIXELS", default=120_000_000)
MAX_IMAGE_BYTES = env.int("MAX_IMAGE_BYTES", default=100 * 2**20)
MAX_UPLOAD_BYTES = env.int("MAX_UPLOAD_BYTES", default=2 * 2**30)  # in one form; scripts send it in smaller parts
SAMPLE_DATA = BASE_DIR / "sample_data"  # what an empty installation offers to begin with
DELETED_KEPT_DAYS = env.float("FACEPROJECT_DELETED_KEPT_DAYS", default=30)  # then deleted pictures are erased for good
JOBS_KEPT_DAYS = env.float("JOBS_KEPT_DAYS", default=90)  # then parts and full lists of ended jobs go; 0: never
INGEST_SHARE_PICTURES = env.int("INGEST_SHARE_PICTURES", default=500)  # of a queued ingest, at most
# Extraction processes of one ingest-worker; 0: one a core. Served, workers are added instead.
INGEST_PROCESSES = env.int("INGEST_PROCESSES", default=0 if EMBEDDED else 1)

# Folders of the server, and shares (azurefiles://…), that the web page may have taken in, with what lies below.
# Embedded, whoever signs in has started the process, and may read what it may.
INGEST_FOLDERS = env.list("INGEST_FOLDERS", default=["/"] if EMBEDDED else [])

# ---- crawler ---------------------------------------------------------------------------------------------------------
CRAWLER_USER_AGENT = env.str("CRAWLER_USER_AGENT", default=f"faceproject/{VERSION}")  # sites may want a contact in it
CRAWLER_DELAY_SECONDS = env.float("CRAWLER_DELAY_SECONDS", default=1.0)  # between two requests to a host, at least
CRAWLER_TIMEOUT_SECONDS = env.float("CRAWLER_TIMEOUT_SECONDS", default=60.0)  # for one page or picture, all in all
CRAWLER_ALLOWED_NETWORKS = env.list("CRAWLER_ALLOWED_NETWORKS", default=[])  # not public, and asked all the same
CRAWLER_ALLOWED_PORTS = env.list("CRAWLER_ALLOWED_PORTS", cast=int, default=[80, 443])
CRAWLER_TLS_CA = env.str("CRAWLER_TLS_CA", default="")  # PEM file of an intranet's authority

# ---- scorer ----------------------------------------------------------------------------------------------------------
# A folder that `export_model` wrote: serve that version, with no store. Azure ML has a name of its own for it.
SCORER_MODEL_DIR = env.str("SCORER_MODEL_DIR", default=env.str("AZUREML_MODEL_DIR", default=""))
try:
    SCORER_TOKEN = env.str("SCORER_TOKEN", default="")  # or several, with white space or commas between them
except OSError as _error:
    raise SystemExit(
        f"SCORER_TOKEN_FILE cannot be read ({_error}). Point it at a file that this user may read."
    ) from None
SCORER_MAX_BODY_BYTES = env.int("SCORER_MAX_BODY_BYTES", default=64 * 2**20)
SCORER_MAX_PICTURES = env.int("SCORER_MAX_PICTURES", default=64)  # in one request
SCORER_MAX_EMBEDDINGS = env.int("SCORER_MAX_EMBEDDINGS", default=10_000)  # in one request
SCORER_CONCURRENCY = env.int("SCORER_CONCURRENCY", default=8)  # requests worked on at once; others get 429
SCORER_EXTRACTORS = env.int("SCORER_EXTRACTORS", default=0)  # pictures looked at at once; 0: one a core

# ---- Azure Machine Learning: a version in use is rolled out to an online endpoint ------------------------------------
AZUREML_ENDPOINT = env.str("AZUREML_ENDPOINT", default="")  # its name; empty: the scorer follows, nothing is rolled out
AZUREML_WORKSPACE = env.str("AZUREML_WORKSPACE", default="")  # its id
AZUREML_DATASTORE = env.str("AZUREML_DATASTORE", default="faceproject")  # of kind AzureFile, on the share of MEDIA_ROOT
AZUREML_DATASTORE_PATH = env.str("AZUREML_DATASTORE_PATH", default="media")  # of MEDIA_ROOT, on that share
AZUREML_IMAGE = env.str("AZUREML_IMAGE", default="")  # the product's image
AZUREML_INSTANCE = env.str("AZUREML_INSTANCE", default="Standard_DS2_v2")  # size of a machine
AZUREML_INSTANCES = env.int("AZUREML_INSTANCES", default=1)
# As the endpoint's containers get it: the token, or Azure ML's reference to a secret in a vault.
AZUREML_SCORER_TOKEN = env.str("AZUREML_SCORER_TOKEN", default="") or SCORER_TOKEN
AZUREML_PROBE_SECONDS = env.float("AZUREML_PROBE_SECONDS", default=1.5)  # between two requests of a watch, which has 20
AZURE_CLOUD = env.str("AZURE_CLOUD", default="public")  # or "government"
AZURE_ENVIRONMENT = {  # for tests, proxies and sovereign clouds
    name: env.str(name, default="")
    for name in (
        *("AZURE_ARM_ENDPOINT", "AZURE_ARM_SCOPE", "AZURE_CA_BUNDLE", "AZURE_STATIC_TOKEN", "AZURE_POLL_SECONDS"),
    )
}

# ---- training --------------------------------------------------------------------------------------------------------
RESCORE_SPLIT_FACES = env.int("RESCORE_SPLIT_FACES", default=200_000)  # from so many faces on, trainer-workers share

# ---- applications ----------------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "faceproject.admin_app.ProductAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_htmx",
    "personas",
    *(["personas.store.sql"] if "sql" in STORES else []),
    *(["django_cassandra_engine", "personas.store.cassandra"] if "cassandra" in STORES else []),
    "ingest",
    "training",
    "orchestration",
    "faceproject",
]
MIDDLEWARE = [
    "personas.middleware.RequestIdMiddleware",  # first: what the others log belongs to the request too
    "django.middleware.security.SecurityMiddleware",
    "personas.middleware.ContentSecurityPolicyMiddleware",  # outside of all that may answer by itself
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "personas.middleware.BodySizeMiddleware",  # before CSRF, which reads the form
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "personas.api.middleware.ApiMiddleware",  # before whatever asks who the user is
    "django.contrib.auth.middleware.LoginRequiredMiddleware",  # deny by default
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "personas.middleware.AnticipatedErrorsMiddleware",
]
ROOT_URLCONF = "faceproject.urls"
WSGI_APPLICATION = "faceproject.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "personas.context.navigation",
            ],
        },
    },
]

# ---- web -------------------------------------------------------------------------------------------------------------
LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
STATIC_URL = "static/"
STATIC_ROOT = str(Path(env.str("STATIC_ROOT", default=str(FACEPROJECT_HOME / STATIC))).absolute())
STATICFILES_DIRS = [BASE_DIR / "static"]
# Embedded, static files come straight from where they lie, so there is nothing to collect; else `run` collects them.
WHITENOISE_USE_FINDERS = EMBEDDED
with _usable("FACEPROJECT_HOME (or STATIC_ROOT)", STATIC_ROOT):
    Path(STATIC_ROOT).mkdir(parents=True, exist_ok=True)
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if EMBEDDED
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "persona-grid"
LOGOUT_REDIRECT_URL = "sign-in"
CSRF_FAILURE_VIEW = "personas.views.errors.csrf_failed"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
DATA_UPLOAD_MAX_MEMORY_SIZE = 10 * 2**20
DATA_UPLOAD_MAX_NUMBER_FILES = 1000
DATA_UPLOAD_MAX_NUMBER_FIELDS = 10_100  # ticks of all faces that one event holds, and a form's other fields
FILE_UPLOAD_MAX_MEMORY_SIZE = 2 * 2**20
FILE_UPLOAD_TEMP_DIR = str(Path(MEDIA_ROOT) / "receiving")  # the disk the files stay on, not /tmp, which may be memory
with _usable("FACEPROJECT_HOME (or MEDIA_ROOT)", FILE_UPLOAD_TEMP_DIR):
    Path(FILE_UPLOAD_TEMP_DIR).mkdir(parents=True, exist_ok=True)
FILE_UPLOAD_HANDLERS = [
    "ingest.upload_handler.LimitingUploadHandler",
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "django.core.files.uploadhandler.TemporaryFileUploadHandler",
]
if not EMBEDDED:
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
    SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=True)
    SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz)$"]  # probes speak plain HTTP to the process itself
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = env.int("SECURE_HSTS_SECONDS", default=31_536_000)
    SECURE_HSTS_INCLUDE_SUBDOMAINS = env.bool("SECURE_HSTS_INCLUDE_SUBDOMAINS", default=True)
    SECURE_HSTS_PRELOAD = SECURE_HSTS_INCLUDE_SUBDOMAINS  # browsers preload only what holds for sub-domains too

# ---- background tasks ------------------------------------------------------------------------------------------------
# Embedded: messages are files, which needs no server and survives the process. What any transport loses, the dispatcher
# derives again from the store. docs/operations.md says what the limits mean.
TASK_LIMIT_SECONDS = {  # by queue; a worker whose task takes longer is ended and started again
    "ingest": env.float("TASK_LIMIT_SECONDS_INGEST", default=3600.0),
    "training": env.float("TASK_LIMIT_SECONDS_TRAINING", default=7200.0),
}
STOP_GRACE_SECONDS = env.float("STOP_GRACE_SECONDS", default=8.0)  # less than whoever stops the process allows it
CELERY_BROKER_URL = env.str("REDIS_URL", default="") or FOLDER_URL
QUEUE_FOLDERS: list[Path] = []
if CELERY_BROKER_URL == FOLDER_URL:
    CELERY_BROKER_TRANSPORT = "orchestration.folder_transport:Transport"
    CELERY_BROKER_TRANSPORT_OPTIONS = folder_options(FACEPROJECT_HOME / QUEUE)
    QUEUE_FOLDERS = [FACEPROJECT_HOME / QUEUE / "messages"]
    for _folder in QUEUE_FOLDERS:
        with _usable("FACEPROJECT_HOME", _folder):
            _folder.mkdir(parents=True, exist_ok=True)
else:
    CELERY_BROKER_TRANSPORT_OPTIONS = redis_options(
        key_prefix=env.str("REDIS_KEY_PREFIX", default="faceproject:"), limits=TASK_LIMIT_SECONDS
    )
    if CELERY_BROKER_URL.startswith("rediss://"):
        CELERY_BROKER_USE_SSL = redis_tls(env.str("REDIS_TLS_CA", default=""))  # PEM file of a private authority
CELERY_TASK_ROUTES = {f"{queue}.*": {"queue": queue} for queue in QUEUES}
CELERY_TASK_IGNORE_RESULT = True  # outcomes are in the store
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_ACKS_LATE = True  # a worker that is killed has not acknowledged what it had in hand
CELERY_TASK_REJECT_ON_WORKER_LOST = True  # of a pool of processes; the solo pool is the worker itself
CELERY_TASK_ANNOTATIONS = {"ingest.process_upload": {"rate_limit": env.str("UPLOAD_RATE_LIMIT", default="") or None}}
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0.2}  # the dispatcher tries again by itself
CELERY_BROKER_POOL_LIMIT = 2  # connections a process keeps to send by
CELERY_BROKER_CONNECTION_RETRY = CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # for ever, every 30 seconds at last
CELERY_BROKER_CHANNEL_ERROR_RETRY = True  # a Redis that is full, loading or read-only for a while is waited for too
CELERY_WORKER_POOL = "solo"  # one task at a time in the worker's own process, so that models are loaded once
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
# The solo pool cannot cancel its task, and need not: the work is kept, and what comes twice ends at once.
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
CELERY_WORKER_ENABLE_PREFETCH_COUNT_REDUCTION = False  # one is the least already
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False  # probes and metrics are HTTP; a subscription less to keep alive
CELERY_WORKER_SEND_TASK_EVENTS = CELERY_TASK_SEND_SENT_EVENT = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"

# ---- shares of Azure Files as sources: azurefiles://account/share/path -----------------------------------------------
AZURE_STORAGE_ENDPOINT = env.str("AZURE_STORAGE_ENDPOINT", default="")  # default: the public cloud's, by the account
AZURE_STORAGE_KEY = env.str("AZURE_STORAGE_KEY", default="")  # neither key nor token: whoever is signed in
AZURE_STATIC_TOKEN = env.str("AZURE_STATIC_TOKEN", default="")

# ---- roles -----------------------------------------------------------------------------------------------------------
PROBE_PORT = env.int("PROBE_PORT", default=0)  # /healthz, /readyz and /metrics of each role, without sign-in; 0: none
PROBE_HOST = env.str("PROBE_HOST", default="127.0.0.1")
INIT_SOURCE = env.str(
    "INIT_SOURCE", default=""
)  # pictures that `manage.py role init` takes in and learns: a folder or share

# ---- logs: never image bytes, vectors, names of people or keys -------------------------------------------------------
LOG_FORMAT = env.str("LOG_FORMAT", default="") or format_of(env.ENVIRON)  # "line", or "json": one object a line
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": FORMATTERS,
    "filters": {
        "driver": {"()": "faceproject.logs.WithoutDriverTraces"},
        "news": {"()": "django.utils.log.CallbackFilter", "callback": tells_news},
    },
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "filters": ["driver"],
            "formatter": LOG_FORMAT if LOG_FORMAT in FORMATTERS else "line",  # checks.py refuses any other
        }
    },
    "root": {"handlers": ["stderr"], "level": env.str("LOG_LEVEL", default="INFO")},
    "loggers": {
        "azure": {"level": "WARNING"},  # the SDKs tell of every request
        "cassandra": {"level": "WARNING"},  # the driver tells of every host it finds
        "django.request": {"filters": ["news"]},
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.app.trace": {
            "level": "ERROR"
        },  # personas/tasks.py tells how tasks ended; this would print what they returned
        "urllib3": {"level": "ERROR"},  # tells whole addresses, whose queries may be secrets
        "kombu.connection": {"level": "ERROR"},  # warns that filesystem:// has no host
    },
}
