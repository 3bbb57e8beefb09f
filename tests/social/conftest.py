"""Social providers on loopback: a Google and a GitLab that do what a test says, and a GitHub."""

from collections.abc import Iterator
from typing import Any

import pytest

from accounts.social_providers import GITHUB, GITLAB, GOOGLE, SocialProvider
from tests.social.github import CLIENT_ID as GITHUB_ID
from tests.social.github import CLIENT_SECRET as GITHUB_SECRET
from tests.social.github import GitHub, loopback_github
from tests.social.stage import Social
from tests.sso.fixtures import other_idp, reachable
from tests.sso.hostile import Hostile, hostile_provider
from tests.sso.stage import CLIENT_ID, CLIENT_SECRET

__all__ = ["other_idp", "reachable"]


@pytest.fixture
def offered(settings: Any, reachable: None) -> dict[str, SocialProvider]:
    """Return the providers that the installation offers: none, until a fixture adds one."""
    settings.SOCIAL_PROVIDERS = {}
    found: dict[str, SocialProvider] = settings.SOCIAL_PROVIDERS
    return found


@pytest.fixture
def idp(offered: dict[str, SocialProvider]) -> Iterator[Hostile]:
    """Return an OpenID provider that does everything right until a test says otherwise."""
    with hostile_provider(client_id=CLIENT_ID, client_secret=CLIENT_SECRET) as provider:
        provider.claims |= {"sub": "g-1", "email": "grace@example.org", "email_verified": True, "name": "Grace Hopper"}
        yield provider


@pytest.fixture
def google(offered: dict[str, SocialProvider], idp: Hostile) -> Social:
    """Return that provider as Google."""
    offered[GOOGLE] = SocialProvider(GOOGLE, idp.issuer, CLIENT_ID, CLIENT_SECRET)
    return Social(GOOGLE, idp.authorize)


@pytest.fixture
def gitlab(offered: dict[str, SocialProvider], idp: Hostile) -> Social:
    """Return that provider as GitLab."""
    offered[GITLAB] = SocialProvider(GITLAB, idp.issuer, CLIENT_ID, CLIENT_SECRET)
    return Social(GITLAB, idp.authorize)


@pytest.fixture
def octo() -> Iterator[GitHub]:
    """Return a GitHub."""
    with loopback_github() as running:
        yield running


@pytest.fixture
def github(offered: dict[str, SocialProvider], octo: GitHub) -> Social:
    """Return that GitHub, offered."""
    offered[GITHUB] = SocialProvider(GITHUB, octo.url, GITHUB_ID, GITHUB_SECRET)
    return Social(GITHUB, octo.authorize)
