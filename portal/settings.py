"""All settings of Gatehouse; every variable is described in docs/configuration.md and .env.example.

Read through ``portal.environment``: a missing or malformed value stops the start with one line.
"""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from psycopg import IsolationLevel

from accounts.report_signatures import read_public_keys
from accounts.social_providers import GOOGLE_ISSUER, SocialProvider, is_configured
from audit.masking.presidio import installed_model
from audit.witnesses.bucket import MODES, BucketAccess
from console import appearance
from gateway.signing_jwks import check_issuer, parse_signing_jwks
from gateway.upstreams import check_upstream
from outbound.certificates import check_authorities
from portal.bootstrap import DATABASE, SECRETS, ensure_secrets
from portal.embedded_postgres import PORT as SOCKET_PORT
from portal.embedded_postgres import EmbeddedPostgres
from portal.environment import ConfigurationError, Environment, checked, initial_variables, own_names, read_dotenv
from portal.logs import logging_config
from tenants.resolvers import read_resolvers
from vault import configuration as vault

BASE_DIR = Path(__file__).resolve().parent.parent
dotenv = os.environ.get("GATEHOUSE_DOTENV", str(BASE_DIR / ".env"))  # empty: read no file
if dotenv:
    read_dotenv(Path(dotenv))
env = Environment(os.environ)

# --- Where it runs -----------------------------------------------------------------------------
GATEHOUSE_ENV = env.choice("GATEHOUSE_ENV", ("development", "production", "test"), default="development")
PRODUCTION = GATEHOUSE_ENV == "production"
TESTING = GATEHOUSE_ENV == "test"
GATEHOUSE_HOME = Path(env.text("GATEHOUSE_HOME", str(BASE_DIR / ".gatehouse"))).absolute()
DEBUG = env.boolean("DEBUG", default=False)
if PRODUCTION and DEBUG:
    raise ConfigurationError("DEBUG", "must be off when GATEHOUSE_ENV=production: error pages would show secrets")

HOST = env.text("HOST", "127.0.0.1")
PORT = env.integer("PORT", default=8000, minimum=1, maximum=65535)
WEB_WORKERS = env.integer("WEB_WORKERS", default=1, minimum=1, maximum=64)
WEB_THREADS = env.integer("WEB_THREADS", default=min(8, 2 * (os.cpu_count() or 1) + 1), minimum=1, maximum=256)
DEMO = env.boolean("DEMO", default=not PRODUCTION)

# --- Secrets -----------------------------------------------------------------------------------
SECRETS_FILE = GATEHOUSE_HOME / "secrets.env"
if not PRODUCTION and (unset := [name for name in SECRETS if env.raw(name) is None]):
    # In production nothing is invented: two hosts would each make their own key.
    made = ensure_secrets(SECRETS_FILE)
    os.environ.update({name: made[name] for name in unset})
SECRET_KEY = env.required(
    "SECRET_KEY", "production does not make one up: set it or SECRET_KEY_FILE to 50 random characters"
)
if PRODUCTION and len(SECRET_KEY) < 50:  # noqa: PLR2004 - what Django itself asks for
    raise ConfigurationError("SECRET_KEY", f"has {len(SECRET_KEY)} characters; production wants 50 random ones")
SECRET_KEY_FALLBACKS = env.strings("SECRET_KEY_FALLBACKS")

# --- The keyring: keys that wrap data keys, peppers that digest API keys (docs/secrets.md) ----------
_why = "production does not make one up: set it or {}_FILE to 1:<the output of `openssl rand -base64 32`>"
_keys = checked("KEYRING_KEYS", vault.parse_keys, env.required("KEYRING_KEYS", _why.format("KEYRING_KEYS")))
_peppers = checked(
    "KEYRING_PEPPERS", vault.parse_peppers, env.required("KEYRING_PEPPERS", _why.format("KEYRING_PEPPERS"))
)
if PRODUCTION:
    checked("KEYRING_KEYS", vault.refuse_development_keys, _keys)
    checked("KEYRING_PEPPERS", vault.refuse_development_keys, _peppers)
_timeout = env.integer("KEYRING_TIMEOUT", default=5, minimum=1, maximum=60)
_transit = env.text("KEYRING_TRANSIT_ADDRESS")
if _transit:
    _http = env.boolean("KEYRING_TRANSIT_ALLOW_HTTP", default=not PRODUCTION)
    _transit = checked("KEYRING_TRANSIT_ADDRESS", vault.check_address, _transit, allow_http=_http)
    env.required("KEYRING_TRANSIT_TOKEN", "KEYRING_TRANSIT_ADDRESS needs it; an agent's file goes into its _FILE")
elif any(isinstance(key, vault.TransitKey) for key in _keys.values()):
    raise ConfigurationError("KEYRING_TRANSIT_ADDRESS", "is not set, and KEYRING_KEYS names a transit key")
KEYRING = vault.KeyringConfiguration(
    keys=_keys,
    peppers=_peppers,
    active_key=checked(
        "KEYRING_ACTIVE_KEY", vault.active_number, _keys, env.integer("KEYRING_ACTIVE_KEY", default=0, minimum=0)
    ),
    active_pepper=checked(
        "KEYRING_ACTIVE_PEPPER",
        vault.active_number,
        _peppers,
        env.integer("KEYRING_ACTIVE_PEPPER", default=0, minimum=0),
    ),
    transit=vault.TransitAccess(
        address=_transit,
        token=lambda: env.text("KEYRING_TRANSIT_TOKEN"),  # read again: an agent renews the file
        mount=env.text("KEYRING_TRANSIT_MOUNT", "transit"),
        namespace=env.text("KEYRING_TRANSIT_NAMESPACE"),
        ca=env.text("KEYRING_TRANSIT_CA"),
        timeout=_timeout,
    )
    if _transit
    else None,
    kms=vault.KmsAccess(
        region=env.text("KEYRING_KMS_REGION"),
        endpoint=env.url("KEYRING_KMS_ENDPOINT", ("http", "https")),
        timeout=_timeout,
    ),
    cache_seconds=env.integer("KEYRING_CACHE_SECONDS", default=300, minimum=0, maximum=3600),
)

# --- Database: one PostgreSQL, one alias for each role -------------------------------------------
DATABASE_URL = env.database("DATABASE_URL")
if DATABASE_URL is None and PRODUCTION and not env.boolean("ALLOW_EMBEDDED_POSTGRES", default=False):
    problem = "is not set; production wants its own PostgreSQL 15 or newer (ALLOW_EMBEDDED_POSTGRES=true overrides)"
    raise ConfigurationError("DATABASE_URL", problem)
EMBEDDED_POSTGRES = None if DATABASE_URL else EmbeddedPostgres(GATEHOUSE_HOME / "postgres", disposable=TESTING)


def _database(name: str, role: str, session: str = "", *, required: bool = True) -> dict[str, Any]:
    """Return one alias: from the variable, or the role on the embedded server; {} when not needed."""
    config = env.database(name)
    if config is None and EMBEDDED_POSTGRES:
        config = {"NAME": DATABASE, "USER": role, "HOST": str(EMBEDDED_POSTGRES.socket_directory), "PORT": SOCKET_PORT}
    if config is None:
        if required:
            raise ConfigurationError(name, f"is not set; with DATABASE_URL set it must name the role {role}")
        return {}
    return config | {
        "ENGINE": "django.db.backends.postgresql",
        "CONN_MAX_AGE": env.integer("CONN_MAX_AGE", default=60, minimum=0),
        "CONN_HEALTH_CHECKS": True,
        # A cursor that outlives its transaction does not survive a transaction pooler.
        "DISABLE_SERVER_SIDE_CURSORS": True,
        "OPTIONS": ({"options": session} if session else {}) | config.get("OPTIONS", {}),
    }


DATABASES: dict[str, dict[str, Any]] = {
    # One transaction for each request: tenant_scope sets the tenant for that transaction only.
    "default": _database("DATABASE_URL", "gatehouse_app") | {"ATOMIC_REQUESTS": True},
    "operator": _database("OPERATOR_DATABASE_URL", "gatehouse_operator"),
}
# Only the machine that migrates needs the migrator's password.
MIGRATING = "-c role=gatehouse_owner -c app.migration=on"
if migrator := _database("MIGRATOR_DATABASE_URL", "gatehouse_migrator", MIGRATING, required=False):
    DATABASES["migrator"] = migrator
# Only the worker seals the audit log; each of its transactions sees one moment.
if sealer := _database("SEALER_DATABASE_URL", "gatehouse_sealer", required=False):
    sealer["OPTIONS"] = {"isolation_level": IsolationLevel.REPEATABLE_READ} | sealer["OPTIONS"]
    DATABASES["sealer"] = sealer
DATABASE_ROUTERS = ["isolation.router.TenantRouter"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- The gateway's process: verification of keys ---------------------------------------------------
GATEWAY_HOST = env.text("GATEWAY_HOST", HOST)
GATEWAY_PORT = env.integer("GATEWAY_PORT", default=PORT + 1 if PORT < 65535 else PORT - 1, minimum=1, maximum=65535)  # noqa: PLR2004 - the highest port
if (GATEWAY_HOST, GATEWAY_PORT) == (HOST, PORT):
    raise ConfigurationError("GATEWAY_PORT", f"{GATEWAY_PORT} is the portal's own PORT; choose another one")
GATEWAY_WORKERS = env.integer("GATEWAY_WORKERS", default=1, minimum=1, maximum=64)
# A direct session: a transaction pooler swallows the notifications that memory depends on.
GATEWAY_DATABASE = env.database("GATEWAY_DATABASE_URL") or DATABASES["default"]
GATEWAY_CACHE_KEYS = env.integer("GATEWAY_CACHE_KEYS", default=100_000, minimum=1)
GATEWAY_CACHE_SECONDS = env.integer("GATEWAY_CACHE_SECONDS", default=10, minimum=0, maximum=300)
GATEWAY_NEGATIVE_CACHE_SECONDS = env.integer("GATEWAY_NEGATIVE_CACHE_SECONDS", default=2, minimum=0, maximum=60)
GATEWAY_GUESSES_PER_MINUTE = env.integer("GATEWAY_GUESSES_PER_MINUTE", default=600, minimum=1)
GATEWAY_GUESSES_PER_KEY = env.integer("GATEWAY_GUESSES_PER_KEY", default=30, minimum=1)

# --- The transformer's process: bodies of LLM requests ----------------------------------------------
PROXY_CHECK_SECRETS = env.strings("PROXY_CHECK_SECRET")  # two while one replaces the other
if any(len(secret) < 32 for secret in PROXY_CHECK_SECRETS):  # noqa: PLR2004 - 128 bits as hexadecimal digits
    raise ConfigurationError(
        "PROXY_CHECK_SECRET", "a secret has fewer than 32 characters; make one by openssl rand -hex 32"
    )
PROXY_TRANSFORMER = env.boolean("PROXY_TRANSFORMER", default=True)
TRANSFORMER_HOST = env.text("TRANSFORMER_HOST", "127.0.0.1")
TRANSFORMER_PORT = env.integer("TRANSFORMER_PORT", default=10001, minimum=1, maximum=65535)
TRANSFORMER_MOST_MIB = env.integer("TRANSFORMER_MOST_MIB", default=20, minimum=1, maximum=60)
TRANSFORMER_MAPPINGS = env.file("TRANSFORMER_MAPPINGS")
TRANSFORMER_CERTIFICATE = env.file("TRANSFORMER_CERTIFICATE")
TRANSFORMER_PRIVATE_KEY = env.file("TRANSFORMER_PRIVATE_KEY")
TRANSFORMER_CLIENT_AUTHORITIES = env.file("TRANSFORMER_CLIENT_AUTHORITIES")

# --- LLM auth proxy: where credentials may send requests besides the providers' own addresses -----------
FAKE_PROVIDER_PORT = env.integer("FAKE_PROVIDER_PORT", default=10002, minimum=1, maximum=65535)
# In development, the provider that `make proxy` brings.
_fake = [f"http://127.0.0.1:{FAKE_PROVIDER_PORT}"] if GATEHOUSE_ENV == "development" else []
PROXY_UPSTREAMS = env.strings("PROXY_UPSTREAMS", _fake)
for _upstream in PROXY_UPSTREAMS:
    checked("PROXY_UPSTREAMS", check_upstream, _upstream)

# --- Applications --------------------------------------------------------------------------------
INSTALLED_APPS = [
    # Ours first: their templates win.
    "console",
    "api",
    "isolation",
    "vault",
    "audit",
    "tenants",
    "accounts",
    "gateway",
    "portal",
    # unfold replaces templates of django.contrib.admin, so it stands before it.
    "unfold.apps.BasicAppConfig",  # the default one would replace admin.site
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "unfold.contrib.inlines",
    "django.contrib.admin.apps.SimpleAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.contrib.postgres",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "guardian",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]
MIDDLEWARE = [
    # First: it decides which forwarded headers are believed, and gives the request its id.
    "portal.middleware.origin.OriginMiddleware",
    "portal.middleware.headers.HeadersMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "accounts.sessions.middleware.DeviceMiddleware",
    "portal.middleware.scope.ScopeMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "portal.urls"
WSGI_APPLICATION = "portal.wsgi.application"
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
                "portal.context_processors.console",
            ],
        },
    },
]

# --- The consoles --------------------------------------------------------------------------------
UNFOLD_OPERATOR: dict[str, Any] = appearance.OPERATOR
UNFOLD_TENANT: dict[str, Any] = appearance.TENANT

# --- Who is this ---------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "tenants.backends.MembershipBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
# Guardian's tables are read by tenants_authority; its own backend would only be asked what is already answered.
SILENCED_SYSTEM_CHECKS = ["guardian.W001"]
ANONYMOUS_USER_NAME = None  # guardian: no stand-in row for people who are not signed in
GUARDIAN_MONKEY_PATCH_USER = False
GUARDIAN_MONKEY_PATCH_GROUP = False
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.ScryptPasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
if TESTING:
    PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # tests sign in thousands of times
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_FORMS = {
    "add_email": "accounts.forms.NewAddressForm",
    "login": "accounts.forms.SignInForm",
    "reset_password": "accounts.forms.ForgottenPasswordForm",
    "signup": "accounts.forms.SignUpForm",
}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_LOGIN_ON_EMAIL_CONFIRMATION = True  # in the browser that signed up
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False  # no mail to strangers who are not users
ACCOUNT_EMAIL_NOTIFICATIONS = True  # people hear of changed passwords and addresses
ACCOUNT_REAUTHENTICATION_REQUIRED = True  # an unattended browser or a stolen cookie changes no address
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = False
ACCOUNT_SESSION_REMEMBER = None
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https" if PRODUCTION else "http"
MFA_ADAPTER = "accounts.mfa.adapter.SecondFactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_ISSUER = env.text("TOTP_ISSUER", "Gatehouse")
MFA_TOTP_TOLERANCE = 1  # RFC 6238 section 5.2; accounts.mfa.codes takes no code twice
MFA_RECOVERY_CODES_SHOW_ONCE = True
# Nobody signs in before an address of theirs is proven, so that no unproven one keeps its owner out; and without this
# nobody with a second factor could add another address.
MFA_ALLOW_UNVERIFIED_EMAIL = True
MFA_FORMS = {
    "activate_totp": "accounts.forms.second_factors.SetUpAppForm",
    "add_webauthn": "accounts.forms.second_factors.AddPasskeyForm",
    "authenticate": "accounts.forms.second_factors.CodeForm",
    "authenticate_webauthn": "accounts.forms.second_factors.PasskeyForm",
    "edit_webauthn": "accounts.forms.second_factors.RenamePasskeyForm",
    "login_webauthn": "accounts.forms.second_factors.PasskeySignInForm",
    "reauthenticate": "accounts.forms.second_factors.ConfirmingCodeForm",
    "reauthenticate_webauthn": "accounts.forms.second_factors.ConfirmingPasskeyForm",
}
# Whether operators have to prove a second factor before the operator console opens.
OPERATORS_NEED_SECOND_FACTOR = env.boolean("OPERATORS_NEED_SECOND_FACTOR", default=PRODUCTION)
if TESTING:
    ACCOUNT_RATE_LIMITS = False
    MFA_RATE_LIMITS = False

# --- Accounts elsewhere: Google, GitHub, GitLab, for everybody of this installation ---------------------
_google = SocialProvider(
    "google",
    GOOGLE_ISSUER,
    env.text("SOCIAL_GOOGLE_CLIENT_ID"),
    env.text("SOCIAL_GOOGLE_CLIENT_SECRET"),
)
_github = SocialProvider(
    "github",
    env.url("SOCIAL_GITHUB_URL", ("http", "https"), "https://github.com").rstrip("/"),
    env.text("SOCIAL_GITHUB_CLIENT_ID"),
    env.text("SOCIAL_GITHUB_CLIENT_SECRET"),
)
_gitlab = SocialProvider(
    "gitlab",
    env.url("SOCIAL_GITLAB_URL", ("http", "https"), "https://gitlab.com").rstrip("/"),
    env.text("SOCIAL_GITLAB_CLIENT_ID"),
    env.text("SOCIAL_GITLAB_CLIENT_SECRET"),
)
SOCIAL_PROVIDERS = {
    provider.key: provider
    for provider in (_google, _github, _gitlab)
    if checked(f"SOCIAL_{provider.key.upper()}_CLIENT_ID", is_configured, provider)
}

# --- The API -------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        # A request with both is the key's: the header was sent on purpose, the cookie by the browser.
        "accounts.api.authentication.KeyAuthentication",
        "accounts.api.authentication.SessionAuthentication",
    ],
    "DEFAULT_PARSER_CLASSES": ["api.parsers.StrictJSONParser"],
    "DEFAULT_PERMISSION_CLASSES": [],  # each operation declares its own: api.views.ApiView.demand
    "DEFAULT_RENDERER_CLASSES": ["api.renderers.CompactJSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "api.schema.OperationSchema",
    "URL_FORMAT_OVERRIDE": None,
    "FORMAT_SUFFIX_KWARG": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Gatehouse API",
    "DESCRIPTION": "Everything that the console does, for programs. The guide is docs/api.md. Keys are verified by the "
    "gateway, a process of its own: POST /api/v1/introspect, see docs/introspection.md.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "COMPONENT_SPLIT_PATCH": False,
    "COMPONENT_SPLIT_REQUEST": False,
    "POSTPROCESSING_HOOKS": ["api.schema.complete"],
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "DISABLE_ERRORS_AND_WARNINGS": False,
}
# Requests a minute: of one key or person, of one organization, of an address without a credential.
API_RATE_PER_KEY = env.integer("API_RATE_PER_KEY", default=600, minimum=1)
API_RATE_PER_ORGANIZATION = env.integer("API_RATE_PER_ORGANIZATION", default=3_000, minimum=1)
API_RATE_PER_ADDRESS = env.integer("API_RATE_PER_ADDRESS", default=120, minimum=1)
# Requests a minute of one organization's identity providers; they are promised 25 a second.
SCIM_RATE_PER_ORGANIZATION = env.integer("SCIM_RATE_PER_ORGANIZATION", default=3_000, minimum=1)
# Whose signatures reports of leaked keys must carry; None: whoever holds a secret may report it.
LEAK_REPORT_KEYS_FILE = env.file("LEAK_REPORT_KEYS_FILE")
if LEAK_REPORT_KEYS_FILE is not None:
    checked("LEAK_REPORT_KEYS_FILE", read_public_keys, LEAK_REPORT_KEYS_FILE)

# --- Sessions, cookies, transport ------------------------------------------------------------------
ALLOWED_HOSTS = env.strings("ALLOWED_HOSTS")
if PRODUCTION and not ALLOWED_HOSTS:
    raise ConfigurationError("ALLOWED_HOSTS", "is not set; name the hosts people use, such as portal.example.com")
if PRODUCTION and "*" in ALLOWED_HOSTS:
    raise ConfigurationError("ALLOWED_HOSTS", "names every host: links in mails would lead wherever a request says")
if not PRODUCTION:
    ALLOWED_HOSTS = ALLOWED_HOSTS or ["localhost", "127.0.0.1", "[::1]", ".localhost", *own_names(HOST)]
CSRF_TRUSTED_ORIGINS = env.origins("CSRF_TRUSTED_ORIGINS")
# Where links in mails lead that no request caused; the others lead to the host of their request.
PUBLIC_URL = env.url("PUBLIC_URL", ("http", "https")).rstrip("/") or (
    f"https://{ALLOWED_HOSTS[0].lstrip('.')}" if PRODUCTION else f"http://{own_names(HOST)[0]}:{PORT}"
)
# Where services reach the gateway; in production a proxy usually sends it one path of the portal's own address.
GATEWAY_PUBLIC_URL = env.url("GATEWAY_PUBLIC_URL", ("http", "https")).rstrip("/") or (
    PUBLIC_URL if PRODUCTION else f"http://{own_names(GATEWAY_HOST)[0]}:{GATEWAY_PORT}"
)

# --- The LLM auth proxy: who issues tokens, and with which keys (docs/llm-proxy/tokens.md) -------------------
JWT_ISSUER = checked("GATEHOUSE_JWT_ISSUER", check_issuer, env.text("GATEHOUSE_JWT_ISSUER") or PUBLIC_URL)
_jwks = env.raw("GATEHOUSE_SIGNING_JWKS")
SIGNING_JWKS = checked("GATEHOUSE_SIGNING_JWKS", parse_signing_jwks, _jwks) if _jwks else ()
SIGNING_KEY_DAYS = env.integer("SIGNING_KEY_DAYS", default=90, minimum=1, maximum=3_650)
JWKS_CACHE_SECONDS = env.integer("JWKS_CACHE_SECONDS", default=300, minimum=10, maximum=86_400)
PROXY_ENABLED_BY_DEFAULT = env.boolean("PROXY_ENABLED_BY_DEFAULT", default=False)

# Where its Envoy listens (docs/llm-proxy/README.md).
PROXY_HOST = env.text("PROXY_HOST", "127.0.0.1")
PROXY_PORT = env.integer("PROXY_PORT", default=10000, minimum=1, maximum=65535)
PROXY_ADMIN_PORT = env.integer("PROXY_ADMIN_PORT", default=9901, minimum=1, maximum=65535)

# Where limits are counted, and how long usage is kept (docs/llm-proxy/limits-and-usage.md).
COUNTER_URL = env.url("COUNTER_URL", ("redis", "rediss"))
USAGE_RETENTION_DAYS = env.integer("USAGE_RETENTION_DAYS", default=400, minimum=35, maximum=3_650)

TRUSTED_PROXIES = env.networks("TRUSTED_PROXIES")
SESSION_COOKIE_AGE = env.integer("SESSION_HOURS", default=12, minimum=1, maximum=24 * 30) * 3600
SESSION_ENGINE = "accounts.sessions.store"
SESSION_COOKIE_NAME = "gatehouse_session"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"  # Strict would sign people out who come back from an identity provider
SESSION_SAVE_EVERY_REQUEST = False
SESSION_COOKIE_SECURE = PRODUCTION
# By which a browser is known again: the prefix keeps other hosts of the domain from setting it (RFC 6265bis 4.1.3.2).
DEVICE_COOKIE_NAME = "__Host-gatehouse_device" if PRODUCTION else "gatehouse_device"
CSRF_FAILURE_VIEW = "portal.views.refused.csrf_failure"
CSRF_COOKIE_NAME = "gatehouse_csrf"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SECURE = PRODUCTION
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_SSL_REDIRECT = env.boolean("SECURE_SSL_REDIRECT", default=PRODUCTION)
SECURE_REDIRECT_EXEMPT = [r"^healthz/"]  # probes come over plain HTTP from inside
SECURE_HSTS_SECONDS = env.integer("HSTS_SECONDS", default=31_536_000 if PRODUCTION else 0, minimum=0)
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_SECONDS > 0
SECURE_HSTS_PRELOAD = SECURE_HSTS_SECONDS > 0
if TRUSTED_PROXIES:
    # Only believed from a trusted proxy: OriginMiddleware drops the header of everybody else.
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2_000  # changelists with many selected rows

# --- What every start makes true ---------------------------------------------------------------------
GATEHOUSE_BLUEPRINT = env.file("GATEHOUSE_BLUEPRINT")
GATEHOUSE_INIT = initial_variables(
    {
        "GATEHOUSE_INIT_ORG_ID": env.text("GATEHOUSE_INIT_ORG_ID"),
        "GATEHOUSE_INIT_ORG_NAME": env.text("GATEHOUSE_INIT_ORG_NAME"),
        "GATEHOUSE_INIT_PROJECT_ID": env.text("GATEHOUSE_INIT_PROJECT_ID"),
        "GATEHOUSE_INIT_PROJECT_NAME": env.text("GATEHOUSE_INIT_PROJECT_NAME"),
        "GATEHOUSE_INIT_PROJECT_ENVIRONMENT": env.text("GATEHOUSE_INIT_PROJECT_ENVIRONMENT"),
        "GATEHOUSE_INIT_PROJECT_PUBLIC_KEY": env.text("GATEHOUSE_INIT_PROJECT_PUBLIC_KEY"),
        "GATEHOUSE_INIT_PROJECT_SECRET_KEY": env.text("GATEHOUSE_INIT_PROJECT_SECRET_KEY"),
        "GATEHOUSE_INIT_USER_EMAIL": env.text("GATEHOUSE_INIT_USER_EMAIL"),
        "GATEHOUSE_INIT_USER_NAME": env.text("GATEHOUSE_INIT_USER_NAME"),
        "GATEHOUSE_INIT_USER_PASSWORD": env.text("GATEHOUSE_INIT_USER_PASSWORD"),
    }
)

# --- Language, time, static files -------------------------------------------------------------------
LANGUAGE_CODE = "en"
FORMAT_MODULE_PATH = ["portal.formats"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = "/static/"
# Outside production the files are served from where they lie.
STATIC_ROOT = Path(env.text("STATIC_ROOT", str(GATEHOUSE_HOME / "static"))) if PRODUCTION else None
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if PRODUCTION
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = not PRODUCTION  # no collectstatic needed for `make run`
WHITENOISE_AUTOREFRESH = False

# --- Cache: the limits of signing in live here, so that every process has to see the same one --------
CACHE_URL = env.url("CACHE_URL", ("redis", "rediss"))
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": CACHE_URL}
    if CACHE_URL
    else {"BACKEND": "portal.cache.SharedCache"}
}

# --- E-mail ----------------------------------------------------------------------------------------
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", "Gatehouse <gatehouse@localhost>")
SERVER_EMAIL = DEFAULT_FROM_EMAIL
EMAIL_TIMEOUT = env.integer("EMAIL_TIMEOUT", default=10, minimum=1)
email = env.email("EMAIL_URL")
if email is None and PRODUCTION:
    raise ConfigurationError("EMAIL_URL", "is not set; invitations go by mail: smtp+tls://user:password@host:587")
email = email or {
    # Development: a file for each mail, and its links in the log.
    "EMAIL_BACKEND": "portal.mail.FileBackend",
    "EMAIL_FILE_PATH": str(GATEHOUSE_HOME / "mail"),
}
EMAIL_BACKEND = email["EMAIL_BACKEND"]
EMAIL_FILE_PATH = email.get("EMAIL_FILE_PATH") or None
EMAIL_HOST = email.get("EMAIL_HOST") or "localhost"
EMAIL_PORT = email.get("EMAIL_PORT") or 25
EMAIL_HOST_USER = email.get("EMAIL_HOST_USER") or ""
EMAIL_HOST_PASSWORD = email.get("EMAIL_HOST_PASSWORD") or env.text("EMAIL_PASSWORD")
EMAIL_USE_TLS = email.get("EMAIL_USE_TLS", False)
EMAIL_USE_SSL = email.get("EMAIL_USE_SSL", False)

# --- DNS: what proves that a domain is an organization's ----------------------------------------------
# Its answers are believed: name resolvers of your own, or ones that validate. Empty: the system's.
DNS_RESOLVERS = checked("DNS_RESOLVERS", read_resolvers, env.strings("DNS_RESOLVERS"))
DNS_TIMEOUT = env.integer("DNS_TIMEOUT", default=5, minimum=1, maximum=30)

# --- Outbound: fetching addresses that an organization typed in -----------------------------------------
# Besides public addresses. Whoever configures an organization reaches what is named here, also by plain HTTP.
OUTBOUND_ALLOWED_NETWORKS = env.networks("OUTBOUND_ALLOWED_NETWORKS")
OUTBOUND_TIMEOUT = env.integer("OUTBOUND_TIMEOUT", default=10, minimum=1, maximum=60)
OUTBOUND_CA_FILE = env.file("OUTBOUND_CA_FILE")
if OUTBOUND_CA_FILE is not None:
    checked("OUTBOUND_CA_FILE", check_authorities, OUTBOUND_CA_FILE)

# --- Alerts: where an address is, by databases in MaxMind's format on this machine; nobody is asked -----
GEOIP_DATABASE = env.file("GEOIP_DATABASE")
GEOIP_ASN_DATABASE = env.file("GEOIP_ASN_DATABASE")

# --- Redaction: the spaCy model by which Presidio, an extra, reads texts; nothing is downloaded ----------
PRESIDIO_MODEL = checked("PRESIDIO_MODEL", installed_model, env.text("PRESIDIO_MODEL"))

# --- Background work: a broker may lose every message and nothing is lost ------------------------------
CELERY_BROKER_URL = env.url("CELERY_BROKER_URL", ("redis", "rediss", "amqp", "amqps", "sqla+postgresql+psycopg"))
if TESTING:
    CELERY_BROKER_URL = "memory://"
    CELERY_TASK_ALWAYS_EAGER = True
    CELERY_TASK_EAGER_PROPAGATES = True
elif not CELERY_BROKER_URL:
    if EMBEDDED_POSTGRES is None:
        raise ConfigurationError(
            "CELERY_BROKER_URL", "is not set; with DATABASE_URL set it must name redis:// or amqp://"
        )
    CELERY_BROKER_URL = (
        f"sqla+postgresql+psycopg://gatehouse_app@/{DATABASE}"
        f"?host={EMBEDDED_POSTGRES.socket_directory}&port={SOCKET_PORT}&options=-csearch_path%3Dbroker"
    )
CELERY_TASK_IGNORE_RESULT = True  # results live in tables
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TIMEZONE = "UTC"
CELERY_TASK_ACKS_LATE = True  # tasks are idempotent; a killed worker's task runs again
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_TIME_LIMIT = int(timedelta(minutes=30).total_seconds())
CELERY_BEAT_SCHEDULE_FILENAME = str(GATEHOUSE_HOME / "beat-schedule")

# --- Evidence exports: files that the worker makes and the web processes send ------------------------------
AUDIT_EXPORT_DIRECTORY = Path(env.text("AUDIT_EXPORT_DIRECTORY", str(GATEHOUSE_HOME / "exports"))).absolute()

# --- Witnesses of the audit log: where checkpoints are kept beside the database ---------------------------
_file = env.text("AUDIT_CHECKPOINT_FILE")
AUDIT_CHECKPOINT_FILE = Path(_file).absolute() if _file else None
AUDIT_BUCKET = (
    BucketAccess(
        bucket=_bucket,
        prefix=env.text("AUDIT_BUCKET_PREFIX", "gatehouse/"),
        region=env.text("AUDIT_BUCKET_REGION"),
        endpoint=env.url("AUDIT_BUCKET_ENDPOINT", ("http", "https")),
        mode=env.choice("AUDIT_BUCKET_LOCK_MODE", MODES, default=MODES[0]),
        days=env.integer("AUDIT_BUCKET_RETENTION_DAYS", default=3_650, minimum=1),
    )
    if (_bucket := env.text("AUDIT_BUCKET"))
    else None
)

# --- Retention of the audit log ------------------------------------------------------------------------
_months = env.integer("AUDIT_RETENTION_MONTHS", default=0, minimum=0, maximum=1_200)
AUDIT_RETENTION_MINIMUM_MONTHS = env.integer("AUDIT_RETENTION_MINIMUM_MONTHS", default=12, minimum=1, maximum=1_200)
if 0 < _months < AUDIT_RETENTION_MINIMUM_MONTHS:
    raise ConfigurationError(
        "AUDIT_RETENTION_MONTHS",
        f"{_months} is less than AUDIT_RETENTION_MINIMUM_MONTHS, {AUDIT_RETENTION_MINIMUM_MONTHS}",
    )
AUDIT_RETENTION_MONTHS = _months or None
AUDIT_RETENTION_NOTICE_DAYS = env.integer("AUDIT_RETENTION_NOTICE_DAYS", default=30, minimum=7, maximum=365)
AUDIT_ERASURE_NOTICE_DAYS = env.integer("AUDIT_ERASURE_NOTICE_DAYS", default=3, minimum=1, maximum=30)

# --- Sinks of the installation: where those that write files may do so --------------------------------------
_directory = env.text("AUDIT_SINK_DIRECTORY")
AUDIT_SINK_DIRECTORY = Path(_directory).absolute() if _directory else None

# --- Log: one format, to stdout ------------------------------------------------------------------------
LOG_LEVEL = env.choice("LOG_LEVEL", ("DEBUG", "INFO", "WARNING", "ERROR"), default="INFO")
ACCESS_LOG = env.boolean("ACCESS_LOG", default=False)
LOGGING = logging_config(level=LOG_LEVEL, timestamps="GATEHOUSE_RUN" not in os.environ)
