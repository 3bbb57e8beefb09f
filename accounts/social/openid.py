"""Google and GitLab are OpenID providers: the flow of single sign-on, as one client of the installation."""

from dataclasses import replace
from typing import Any

from django.utils import timezone

from accounts.models.provisioned import LONGEST_EMAIL
from accounts.social_providers import GOOGLE, SocialProvider
from accounts.sso.attempt import Attempt
from accounts.sso.checks import Checklist
from accounts.sso.oidc.discovery import discover
from accounts.sso.oidc.flow import authorization_url, signed_in
from accounts.sso.oidc.registration import Registration
from tenants.domain_names import mail_domain

from .addresses import redirect_uri
from .person import SocialPerson

_SCOPES = "openid email profile"
_METADATA_COUNTS_FOR = 24 * 3600
_GOOGLES_OWN = "gmail.com"
_known: dict[tuple[str, str], Registration] = {}
"""What this process knows of each provider and client: nothing that somebody else could have written."""
_known_since: dict[str, float] = {}


def leaving_url(provider: SocialProvider, attempt: Attempt) -> str:
    """Return where somebody signs in.

    Raises:
        OutboundError: the provider cannot be asked for its endpoints.
    """
    return authorization_url(_registration(provider), attempt)


def person_who_came(provider: SocialProvider, attempt: Attempt, answer: dict[str, list[str]]) -> SocialPerson:
    """Return who came back, after every check of single sign-on.

    Raises:
        SignInRefused: something does not hold.
        OutboundError: the provider cannot be asked for its endpoints.
    """
    found, used = signed_in(_registration(provider), attempt, answer, Checklist())
    _known[provider.issuer, provider.client_id] = used
    return _person(provider, found.subject, found.claims)


def _person(provider: SocialProvider, subject: str, claims: dict[str, Any]) -> SocialPerson:
    confirmed = claims.get("email_verified")
    email = _text(claims, "email").lower() if confirmed is True or confirmed == "true" else ""
    domain = mail_domain(email) if len(email) <= LONGEST_EMAIL else ""
    # Google says of any address that it is verified, once; it runs the mailbox of these only.
    runs_it = provider.key == GOOGLE and domain in (_GOOGLES_OWN, _text(claims, "hd").lower())
    return SocialPerson(
        provider=provider,
        subject=subject,
        email=email if domain else "",
        is_proven=bool(domain) and runs_it,
        name=_text(claims, "name"),
        account=(_text(claims, "email") or _text(claims, "preferred_username") or _text(claims, "nickname"))[:254],
    )


def _registration(provider: SocialProvider) -> Registration:
    """Return the client with the provider's endpoints, asked for once a day by each process."""
    now = timezone.now()
    key = provider.issuer, provider.client_id
    known = _known.get(key)
    if known is None or now.timestamp() - _known_since[provider.issuer] > _METADATA_COUNTS_FOR:
        metadata = discover(provider.issuer)
        _known_since[provider.issuer] = now.timestamp()
        known = Registration(
            redirect_uri="",
            issuer=provider.issuer,
            client_id=provider.client_id,
            client_secret=None,
            scopes=_SCOPES,
            metadata=metadata,
            keys=known.keys if known else {},
            keys_at=known.keys_at if known else None,
        )
        _known[key] = known
    return replace(known, redirect_uri=redirect_uri(provider), client_secret=provider.client_secret)


def _text(claims: dict[str, Any], name: str) -> str:
    value = claims.get(name)
    return value.strip() if isinstance(value, str) else ""
