"""Settings of one instance, all from the environment (QMAILUX_*, DATABASE_URL); see .env.example."""

from __future__ import annotations

from pathlib import Path

import dj_database_url
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from environs import Env

from provisioning.layout import Layout

BASE_DIR = Path(__file__).resolve().parent.parent
env = Env()
env.read_env(str(BASE_DIR / ".env"), recurse=False)


def _secret(name: str, default_file: Path) -> str:
    """A secret from NAME, from the file NAME_FILE, or from the instance's own file."""
    if value := env.str(name, ""):
        return value
    path = Path(env.str(f"{name}_FILE", str(default_file)))
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise ImproperlyConfigured(
            f"{name} is not set and {path} cannot be read ({error.strerror}): `make up` makes it"
        ) from error


def _as_host(address: str) -> str:
    """As it stands in a Host header and an address bar."""
    return f"[{address}]" if ":" in address else address


QMAILUX_HOME = Path(env.str("QMAILUX_HOME", str(BASE_DIR / "var"))).absolute()
QMAILUX_LAYOUT = Layout(
    home=QMAILUX_HOME,
    bind=env.str("QMAILUX_BIND", "127.0.0.1"),
    offset=env.int("QMAILUX_PORT_OFFSET", 10000),
    hostname=env.str("QMAILUX_HOSTNAME", "mail.localhost.localdomain"),
)
QMAILUX_ADMIN = env.str("QMAILUX_ADMIN", "admin@localhost")
QMAILUX_PRODUCT_NAME = env.str("QMAILUX_PRODUCT_NAME", "QmaiLux")

DEBUG = env.bool("QMAILUX_DEBUG", False)
SECRET_KEY = _secret("QMAILUX_SECRET_KEY", QMAILUX_LAYOUT.secrets / "django_key")
ALLOWED_HOSTS = env.list(
    "QMAILUX_ALLOWED_HOSTS",
    sorted(
        {QMAILUX_LAYOUT.hostname, "localhost", "127.0.0.1", "[::1]", _as_host(QMAILUX_LAYOUT.own_address)}
    ),
)

INSTALLED_APPS = [
    "accounts",
    "domains",
    "provisioning",
    "antispam",
    "alarms",
    "webmail",
    "enforcement",
    "audit",
    "maillog",
    "qmailux_site.admin_site.PanelAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    # For the operator classes of an index (qmailux_site.parts_index), on SQLite too: migrations are the same.
    "django.contrib.postgres",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_htmx",
    "axes",
    "django_otp",
    "django_otp.plugins.otp_static",
    "django_otp.plugins.otp_totp",
    "csp",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "qmailux_site.middleware.ActorMiddleware",
    "qmailux_site.sessions.SessionNotesMiddleware",
    "qmailux_site.impersonation.ImpersonationMiddleware",
    "qmailux_site.middleware.RefusalMiddleware",
    "qmailux_site.password_change.PasswordChangeMiddleware",
    "qmailux_site.second_factor.SecondFactorMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "qmailux_site.urls"
WSGI_APPLICATION = "qmailux_site.wsgi.application"

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
                "qmailux_site.middleware.panel_context",
            ],
            "libraries": {"panel": "qmailux_site.template_tags"},
        },
    },
]

# Database: SQLite beside the instance unless DATABASE_URL names a PostgreSQL
DATABASES = {
    "default": dj_database_url.parse(
        env.str("DATABASE_URL", f"sqlite:///{QMAILUX_HOME / 'db' / 'panel.sqlite3'}"),
        conn_max_age=60,
        conn_health_checks=True,
    )
}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # IMMEDIATE: two writers queue up instead of failing at their first write; WAL: readers never wait.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 30,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
    }
    # Tests use a file as production does: one in memory locks in another way.
    DATABASES["default"]["TEST"] = {"NAME": str(QMAILUX_HOME / "db" / "test.sqlite3")}
# The mail plane's joined logs: beside SQLite a file of their own, so that ingest never holds the panel's
# write lock; in PostgreSQL the same database through a connection of its own.
DATABASES["logs"] = DATABASES["default"].copy()
QMAILUX_LOGS_DATABASE = "default"
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    QMAILUX_LOGS_DATABASE = "logs"
    DATABASES["logs"]["NAME"] = str(QMAILUX_HOME / "db" / "logs.sqlite3")
    # What is deleted is overwritten: after the policy's days the file does not hold it any more.
    DATABASES["logs"]["OPTIONS"] = DATABASES["default"]["OPTIONS"] | {
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA secure_delete=ON;"
    }
    DATABASES["logs"]["TEST"] = {"NAME": str(QMAILUX_HOME / "db" / "test-logs.sqlite3")}
else:
    DATABASES["logs"]["TEST"] = {"MIRROR": "default"}
DATABASE_ROUTERS = ["maillog.router.LogsRouter"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# People
AUTH_USER_MODEL = "accounts.Account"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "accounts.backends.AddressBackend"]
PASSWORD_HASHERS = ["accounts.hashers.QmailuxArgon2Hasher", "accounts.hashers.ImportedHasher"]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = not DEBUG
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 12 * 3600
# Whose rights need a second factor; empty: nobody's.
QMAILUX_SECOND_FACTOR_REQUIRED: list[str] = env.list("QMAILUX_SECOND_FACTOR_REQUIRED", [])
_ROLES = ("superadmin", "postmaster", "help_desk", "auditor")
if unknown := sorted(set(QMAILUX_SECOND_FACTOR_REQUIRED) - set(_ROLES)):
    raise ImproperlyConfigured(f"QMAILUX_SECOND_FACTOR_REQUIRED: {unknown[0]} is none of {', '.join(_ROLES)}")
# Whose passwords must be changed at the first panel login: those that another person has set, also those of
# the console (manage.py, CSV files), or nobody's.
QMAILUX_PASSWORD_CHANGE = env.str("QMAILUX_PASSWORD_CHANGE", "people")
if QMAILUX_PASSWORD_CHANGE not in ("never", "people", "always"):
    raise ImproperlyConfigured("QMAILUX_PASSWORD_CHANGE is never, people or always")
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "qmailux_site.pages.stale_form"
CSRF_TRUSTED_ORIGINS = [
    f"https://{host}:{QMAILUX_LAYOUT.port('https')}" for host in ALLOWED_HOSTS if not host.startswith(".")
]
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "form-action": [SELF],
    }
}

# Guessing is stopped at the panel's door by address and login together, so that one cannot lock out the
# other.
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = 0.25
AXES_LOCKOUT_PARAMETERS = [["ip_address", "username"]]
AXES_RESET_ON_SUCCESS = True
AXES_CLIENT_IP_CALLABLE = "qmailux_site.middleware.client_network"
AXES_USERNAME_CALLABLE = "accounts.backends.login_name"
AXES_LOCKOUT_TEMPLATE = "accounts/locked_out.html"
AXES_VERBOSE = False
AXES_ENABLE_ADMIN = False

# Languages
LANGUAGE_CODE = "en"
LANGUAGES = [("pl", "Polski"), ("en", "English")]
LOCALE_PATHS = [BASE_DIR / "locale"]
LANGUAGE_COOKIE_AGE = 365 * 86400
TIME_ZONE = env.str("QMAILUX_TIME_ZONE", "Europe/Warsaw")
USE_TZ = True

# Static files: hashed and compressed by whitenoise
STATIC_URL = "/static/"
STATIC_ROOT = QMAILUX_HOME / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

# Celery: JSON only; the message is a hint, the outbox is the truth (DESIGN 4)
CELERY_BROKER_URL = env.str("QMAILUX_BROKER_URL", f"redis+socket://{QMAILUX_LAYOUT.run / 'redis.sock'}")
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_RESULT_BACKEND = None
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_PUBLISH_RETRY = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# A dead broker must not hold up the person who saved something: one try, no pause.
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "socket_connect_timeout": 1,
    "socket_timeout": 5,
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0,
    "interval_max": 0,
}
CELERY_TIMEZONE = TIME_ZONE

# A pasted or uploaded bulk file stays in memory: it holds passwords, and Django puts large ones in a file.
DATA_UPLOAD_MAX_MEMORY_SIZE = FILE_UPLOAD_MAX_MEMORY_SIZE = 28 * 1024 * 1024
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.MemoryFileUploadHandler"]

# Limits of the instance
QMAILUX_MESSAGE_SIZE_LIMIT_MB = env.int("QMAILUX_MESSAGE_SIZE_LIMIT_MB", 50)
QMAILUX_DELETED_KEEP_DAYS = env.int("QMAILUX_DELETED_KEEP_DAYS", 30)
QMAILUX_RAW_LOG_KEEP_DAYS = env.int("QMAILUX_RAW_LOG_KEEP_DAYS", 28)
# Beyond that entries stay without their content, where a law wants metadata for years; 0: nothing stays.
QMAILUX_METADATA_KEEP_DAYS = env.int("QMAILUX_METADATA_KEEP_DAYS", 0)
# Empty: metrics are told to this machine alone.
QMAILUX_METRICS_TOKEN = env.str("QMAILUX_METRICS_TOKEN", "")
QMAILUX_TRACE_KEEP_DAYS = env.int("QMAILUX_TRACE_KEEP_DAYS", 365)
QMAILUX_DEFAULT_QUOTA_MB = env.int("QMAILUX_DEFAULT_QUOTA_MB", 1024)
QMAILUX_TAUGHT_KEEP_DAYS = env.int("QMAILUX_TAUGHT_KEEP_DAYS", 7)
# Where the spam check's rules come from. A channel of one's own need not be signed: it is not asked for.
QMAILUX_SPAM_RULES_CHANNEL = env.str("QMAILUX_SPAM_RULES_CHANNEL", "updates.spamassassin.org")
# Protections that are off until somebody switches them on, beside those that always begin so.
QMAILUX_PROTECTIONS_OFF: list[str] = env.list("QMAILUX_PROTECTIONS_OFF", [])

SILENCED_SYSTEM_CHECKS: list[str] = []
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {"axes": {"level": "WARNING"}},
}
# Where certificates are asked for by ACME, and the authority file of such a server of one's own.
QMAILUX_ACME_SERVER = env.str("QMAILUX_ACME_SERVER", "https://acme-v02.api.letsencrypt.org/directory")
QMAILUX_ACME_CA_FILE = env.str("QMAILUX_ACME_CA_FILE", "")
