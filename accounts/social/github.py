"""GitHub, which is no OpenID provider: OAuth 2.0 (RFC 6749) with PKCE (RFC 7636), and its API says who came."""

from typing import Any
from urllib.parse import urlencode

from accounts.models.provisioned import LONGEST_EMAIL
from accounts.social_providers import SocialProvider
from accounts.sso.attempt import Attempt
from accounts.sso.exceptions import SignInRefused
from outbound.client import get, post
from outbound.exchange import Reply
from tenants.domain_names import mail_domain

from .addresses import redirect_uri
from .person import SocialPerson

_OK = 200
_SCOPES = "read:user user:email"


def leaving_url(provider: SocialProvider, attempt: Attempt) -> str:
    """Return where somebody signs in."""
    asked = {
        "client_id": provider.client_id,
        "redirect_uri": redirect_uri(provider),
        "scope": _SCOPES,
        "state": attempt.state,
        "code_challenge": attempt.challenge,
        "code_challenge_method": "S256",
        "allow_signup": "false",
    }
    return f"{provider.issuer}/login/oauth/authorize?{urlencode(asked)}"


def person_who_came(provider: SocialProvider, attempt: Attempt, answer: dict[str, list[str]]) -> SocialPerson:
    """Return who came back.

    The number of the account is who they are: user names are given to others, addresses change.

    Raises:
        SignInRefused: GitHub refuses, or its answer is none.
        OutboundError: it cannot be asked.
    """
    token = _token(provider, attempt, _code(answer))
    found = _asked(provider, "user", token)
    number = found.get("id") if isinstance(found, dict) else None
    if not isinstance(number, int) or isinstance(number, bool) or number <= 0:
        raise SignInRefused("GitHub does not say whose account it is (id).")
    email = _confirmed_address(_asked(provider, "user/emails?per_page=100", token))
    return SocialPerson(
        provider=provider,
        subject=str(number),
        email=email,
        is_proven=False,
        name=_text(found.get("name")),
        account=_text(found.get("login"))[:254],
    )


def _code(answer: dict[str, list[str]]) -> str:
    if repeated := [name for name, values in answer.items() if len(values) > 1]:
        raise SignInRefused(f"GitHub's answer repeats {repeated[0][:40]} (RFC 6749 section 3.1).")
    given = {name: values[0] for name, values in answer.items()}
    if "error" in given:
        said = given.get("error_description") or given["error"]
        raise SignInRefused(f"GitHub refused: {given['error'][:60]}: {said[:300]}")
    if not given.get("code"):
        raise SignInRefused("GitHub's answer has no code.")
    return given["code"]


def _token(provider: SocialProvider, attempt: Attempt, code: str) -> str:
    """Return the access token that the code is exchanged for; an error comes with status 200 there."""
    form = {
        "client_id": provider.client_id,
        "client_secret": provider.client_secret,
        "code": code,
        "redirect_uri": redirect_uri(provider),
        "code_verifier": attempt.verifier,
    }
    reply = post(f"{provider.issuer}/login/oauth/access_token", form=form, headers={"Accept": "application/json"})
    tokens = _json(reply)
    token = tokens.get("access_token") if isinstance(tokens, dict) else None
    if not isinstance(token, str) or not token:
        said = str(tokens.get("error", "no access token"))[:60] if isinstance(tokens, dict) else "no access token"
        raise SignInRefused(f"GitHub did not exchange the code: {said}.")
    return token


def _asked(provider: SocialProvider, what: str, token: str) -> Any:
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/vnd.github+json"}
    return _json(get(f"{provider.api}/{what}", headers=headers))


def _json(reply: Reply) -> Any:
    if reply.status != _OK:
        raise SignInRefused(f"GitHub answered {reply.status}.")
    return reply.json()


def _confirmed_address(emails: Any) -> str:
    """Return the primary address if it is confirmed; no other one counts."""
    rows = [row for row in emails if isinstance(row, dict)] if isinstance(emails, list) else []
    found = (row.get("email") for row in rows if row.get("primary") is True and row.get("verified") is True)
    email = _text(next(found, "")).lower()
    return email if len(email) <= LONGEST_EMAIL and mail_domain(email) else ""


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""
