"""What the LLM auth proxy stores."""

from .access_token import ActorType, IssuedToken, RevocationKind, TokenRevocation
from .counter import UsageCounter, UsageNotice, UsageSlot
from .limit import LimitMetric, LimitSubject, LimitWindow, UsageLimit
from .price import Price
from .provider_credential import CredentialKind, Provider, ProviderCredential
from .proxy_settings import CounterOutage, ProxySettings
from .signing_key import KeyState, SigningKey
from .usage import UsageHour

__all__ = [
    "ActorType",
    "CounterOutage",
    "CredentialKind",
    "IssuedToken",
    "KeyState",
    "LimitMetric",
    "LimitSubject",
    "LimitWindow",
    "Price",
    "Provider",
    "ProviderCredential",
    "ProxySettings",
    "RevocationKind",
    "SigningKey",
    "TokenRevocation",
    "UsageCounter",
    "UsageHour",
    "UsageLimit",
    "UsageNotice",
    "UsageSlot",
]
