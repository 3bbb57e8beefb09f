"""What a gateway process is told by the settings, read once when it starts."""

from dataclasses import dataclass, field
from typing import Any

from psycopg.conninfo import make_conninfo

from gateway.claims import DEFAULT_AUDIENCE
from isolation.addresses import Network

# Of Django's OPTIONS for a PostgreSQL alias, what is Django's and not libpq's.
_DJANGO_OPTIONS = frozenset(
    {"assume_role", "isolation_level", "pool", "server_side_binding", "client_encoding", "prepare_threshold"}
)


def proxy_defaults(*, enabled: bool) -> dict[str, Any]:
    """Return what is in force for an organization without settings of the proxy."""
    return {
        "is_enabled": enabled,
        "audiences": [DEFAULT_AUDIENCE],
        "accepts_api_keys": False,
        "emits_langsmith_names": False,
        "masked": [],
        "on_counter_outage": "closed",
    }


@dataclass(frozen=True, slots=True)
class Config:
    """The settings of a gateway process.

    Attributes:
        conninfo: how libpq reaches the database, in a session of its own (no transaction pooler between).
        cache_keys: how many answers memory holds.
        remember: seconds for which a valid key is remembered.
        remember_unknown: seconds for which it is remembered that a key is unknown or not valid.
        guesses_per_minute: wrong keys that one address may try.
        guesses_per_key: wrong secrets that may be tried in a minute for one public id.
        trusted_proxies: whose ``X-Forwarded-For`` counts.
        issuer: whose tokens LLM requests may show.
        counter_url: where limits are counted, "" for the database.
        check_secrets: what Envoy shows; without any, only this machine is answered about LLM requests.
        transformer: whether a transformer runs behind the proxy's Envoy.
        proxy_defaults: see `proxy_defaults`.
    """

    conninfo: str = field(repr=False)
    cache_keys: int = 100_000
    remember: float = 10.0
    remember_unknown: float = 2.0
    guesses_per_minute: int = 600
    guesses_per_key: int = 30
    trusted_proxies: tuple[Network, ...] = ()
    issuer: str = ""
    counter_url: str = field(default="", repr=False)
    check_secrets: tuple[bytes, ...] = field(default=(), repr=False)
    transformer: bool = True
    proxy_defaults: dict[str, Any] = field(default_factory=lambda: proxy_defaults(enabled=False))

    @classmethod
    def from_settings(cls) -> "Config":
        """Return what Django's settings say; the app registry is not needed."""
        from django.conf import settings  # noqa: PLC0415 - nothing is read before the process asks for it

        return cls(
            conninfo=conninfo(settings.GATEWAY_DATABASE),
            cache_keys=settings.GATEWAY_CACHE_KEYS,
            remember=settings.GATEWAY_CACHE_SECONDS,
            remember_unknown=min(settings.GATEWAY_CACHE_SECONDS, settings.GATEWAY_NEGATIVE_CACHE_SECONDS),
            guesses_per_minute=settings.GATEWAY_GUESSES_PER_MINUTE,
            guesses_per_key=settings.GATEWAY_GUESSES_PER_KEY,
            trusted_proxies=tuple(settings.TRUSTED_PROXIES),
            issuer=settings.JWT_ISSUER,
            counter_url=settings.COUNTER_URL,
            check_secrets=tuple(secret.encode() for secret in settings.PROXY_CHECK_SECRETS),
            transformer=settings.PROXY_TRANSFORMER,
            proxy_defaults=proxy_defaults(enabled=settings.PROXY_ENABLED_BY_DEFAULT),
        )


def conninfo(database: dict[str, Any]) -> str:
    """Return libpq's connection string for one of Django's aliases."""
    names = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    given = {ours: str(database[theirs]) for theirs, ours in names.items() if database.get(theirs)}
    options = {name: value for name, value in database.get("OPTIONS", {}).items() if name not in _DJANGO_OPTIONS}
    return make_conninfo(**{"connect_timeout": 2, "application_name": "gatehouse gateway"} | options | given)
