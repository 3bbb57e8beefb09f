"""Who you are: people, service accounts, and the keys with which programs sign in."""

from .api_key import ApiKey, ApiKeySecret
from .platform_key import PlatformKey
from .service_account import ServiceAccount, ServiceAccountProjectRole
from .user import User, UserManager

__all__ = [
    "ApiKey",
    "ApiKeySecret",
    "PlatformKey",
    "ServiceAccount",
    "ServiceAccountProjectRole",
    "User",
    "UserManager",
]
