"""Who you are: people and their sessions, service accounts, programs' keys, and what identity providers tell."""

from .api_key import ApiKey, ApiKeySecret
from .platform_key import PlatformKey
from .provisioned import ProvisionedGroup, ProvisionedUser, WaitingGroupMember
from .saml import SamlCertificateWarning, SamlKey, SamlMessage
from .scim_connection import IdentityProvider, ScimConnection, ScimToken
from .scim_request import ScimRequest
from .service_account import ServiceAccount, ServiceAccountProjectRole
from .session import Device, Session, SessionEnd
from .sign_in_policy import SignInException, SignInPolicy, SsoAsSecondFactor, SsoRequired
from .social import SocialIdentity
from .sso import (
    Joining,
    SsoConnection,
    SsoGroupMapping,
    SsoIdentity,
    SsoLogin,
    SsoLogout,
    SsoProtocol,
    SsoProvider,
    SsoSession,
)
from .sso_setup import SsoSetupLink
from .user import User, UserManager

__all__ = [
    "ApiKey",
    "ApiKeySecret",
    "Device",
    "IdentityProvider",
    "Joining",
    "PlatformKey",
    "ProvisionedGroup",
    "ProvisionedUser",
    "SamlCertificateWarning",
    "SamlKey",
    "SamlMessage",
    "ScimConnection",
    "ScimRequest",
    "ScimToken",
    "ServiceAccount",
    "ServiceAccountProjectRole",
    "Session",
    "SessionEnd",
    "SignInException",
    "SignInPolicy",
    "SocialIdentity",
    "SsoAsSecondFactor",
    "SsoConnection",
    "SsoGroupMapping",
    "SsoIdentity",
    "SsoLogin",
    "SsoLogout",
    "SsoProtocol",
    "SsoProvider",
    "SsoRequired",
    "SsoSession",
    "SsoSetupLink",
    "User",
    "UserManager",
    "WaitingGroupMember",
]
