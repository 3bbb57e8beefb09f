"""The portal's own settings in the test environment, whatever the developer's environment or ``.env`` says."""

import os
from pathlib import Path

OURS = [
    "SEALER_DATABASE_URL",
    "AUDIT_EXPORT_DIRECTORY",
    "AUDIT_SINK_DIRECTORY",
    "AUDIT_CHECKPOINT_FILE",
    "AUDIT_BUCKET",
    "AUDIT_BUCKET_ENDPOINT",
]
OURS += [
    "DATABASE_URL",
    "OPERATOR_DATABASE_URL",
    "MIGRATOR_DATABASE_URL",
    "CELERY_BROKER_URL",
    "EMAIL_URL",
    "CACHE_URL",
]
OURS += ["ALLOWED_HOSTS", "TRUSTED_PROXIES", "CSRF_TRUSTED_ORIGINS", "DEBUG", "LOG_LEVEL", "SECURE_SSL_REDIRECT"]
OURS += ["KEYRING_KEYS", "KEYRING_PEPPERS", "KEYRING_ACTIVE_KEY", "KEYRING_ACTIVE_PEPPER", "KEYRING_TRANSIT_ADDRESS"]
OURS += ["KEYRING_KMS_ENDPOINT", "KEYRING_CACHE_SECONDS", "KEYRING_TIMEOUT"]
OURS += ["GATEWAY_HOST", "GATEWAY_PORT", "GATEWAY_WORKERS", "GATEWAY_DATABASE_URL", "GATEWAY_CACHE_KEYS"]
OURS += ["GATEWAY_CACHE_SECONDS", "GATEWAY_NEGATIVE_CACHE_SECONDS"]
OURS += ["GATEWAY_GUESSES_PER_MINUTE", "GATEWAY_GUESSES_PER_KEY"]
OURS += ["PROXY_TRANSFORMER", "TRANSFORMER_HOST", "TRANSFORMER_PORT", "TRANSFORMER_MOST_MIB", "TRANSFORMER_MAPPINGS"]
OURS += ["TRANSFORMER_CERTIFICATE", "TRANSFORMER_PRIVATE_KEY", "TRANSFORMER_CLIENT_AUTHORITIES"]
OURS += ["GATEHOUSE_JWT_ISSUER", "GATEHOUSE_SIGNING_JWKS", "SIGNING_KEY_DAYS", "JWKS_CACHE_SECONDS"]
OURS += ["PROXY_ENABLED_BY_DEFAULT", "PROXY_HOST", "PROXY_PORT", "PROXY_ADMIN_PORT", "FAKE_PROVIDER_PORT"]
OURS += ["COUNTER_URL", "USAGE_RETENTION_DAYS"]
OURS += ["PROXY_ENABLED_BY_DEFAULT", "PROXY_CHECK_SECRET"]
OURS += [
    "DNS_RESOLVERS",
    "DNS_TIMEOUT",
    "OUTBOUND_ALLOWED_NETWORKS",
    "PROXY_UPSTREAMS",
    "OUTBOUND_TIMEOUT",
    "OUTBOUND_CA_FILE",
    "GEOIP_DATABASE",
    "GEOIP_ASN_DATABASE",
    "PRESIDIO_MODEL",
    "PUBLIC_URL",
    *(name for name in os.environ if name.startswith(("SOCIAL_GOOGLE_", "SOCIAL_GITHUB_", "SOCIAL_GITLAB_"))),
    "GATEHOUSE_BLUEPRINT",
    *(name for name in os.environ if name.startswith("GATEHOUSE_INIT_")),
]
for name in OURS:
    os.environ.pop(name, None)
    os.environ.pop(f"{name}_FILE", None)
os.environ["GATEHOUSE_ENV"] = "test"
os.environ["DNS_RESOLVERS"] = "127.0.0.1:9"  # nobody: tests that look something up run a name server of their own
os.environ["DNS_TIMEOUT"] = "1"
os.environ["GATEHOUSE_DOTENV"] = ""
os.environ["GATEHOUSE_HOME"] = str(Path(__file__).resolve().parent.parent / ".gatehouse" / "test")

from portal.settings import *  # noqa: E402, F403 - after the environment is set

WHITENOISE_AUTOREFRESH = True  # looked up when asked for: every test client would list all static files first
