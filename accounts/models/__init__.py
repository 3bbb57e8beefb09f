"""Who you are: people, service accounts, the keys with which programs sign in, and what identity providers tell."""

from .api_key import ApiKey, ApiKeySecret
from .platform_key import PlatformKey
from .provisioned import ProvisionedGroup, ProvisionedUser, WaitingGroupMember
from .scim_connection import IdentityProvider, ScimConnection, ScimToken
from .scim_request import ScimRequest
from .service_account import ServiceAccount, ServiceAccountProjectRole
from .social import SocialIdentity
from .sso import Joining, SsoConnection, SsoGroupMapping, SsoIdentity, SsoLogin, SsoLogout, SsoProvider
from .user import User, UserManager

__all__ = [
    "ApiKey",
    "ApiKeySecret",
    "IdentityProvider",
    "Joining",
    "PlatformKey",
    "ProvisionedGroup",
    "ProvisionedUser",
    "ScimConnection",
    "ScimRequest",
    "ScimToken",
    "ServiceAccount",
    "ServiceAccountProjectRole",
    "SocialIdentity",
    "SsoConnection",
    "SsoGroupMapping",
    "SsoIdentity",
    "SsoLogin",
    "SsoLogout",
    "SsoProvider",
    "User",
    "UserManager",
    "WaitingGroupMember",
]
