"""OpenID providers, for the doors to single sign-on: the API and the console."""

from tests.sso.fixtures import idp, other_idp, reachable, sso

__all__ = ["idp", "other_idp", "reachable", "sso"]  # fixtures of these tests
