"""What a browser, a provider or somebody between them could try; each is refused, and nobody is signed in."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.test import Client

from accounts.models import User
from accounts.social import addresses
from accounts.social_providers import GITLAB, SocialProvider
from accounts.sso import attempt as attempts
from tests.people import Tenant, signed_in
from tests.social.github import GitHub
from tests.social.stage import Social, connected, user_of
from tests.sso.forgery import IdToken
from tests.sso.hostile import REMOVED, Answer, Behaviour, Hostile, hostile_provider
from tests.sso.provider import Account, npm_provider
from tests.sso.stage import CLIENT_ID, CLIENT_SECRET

pytestmark = pytest.mark.django_db


@pytest.fixture(params=["google", "gitlab", "github"])
def social(request: pytest.FixtureRequest) -> Social:
    """Return each provider in turn."""
    found: Social = request.getfixturevalue(request.param)
    return found


def outside(response: Any) -> None:
    """Assert that nobody is signed in, and nothing was made."""
    assert response.status_code in {403, 404}, response
    assert user_of(response) is None
    assert not User.objects.exists()


def test_an_answer_in_another_browser(social: Social) -> None:
    outside(Client().get(social.leave(Client())))


def test_an_answer_with_another_state_or_none(social: Social) -> None:
    browser = Client()
    path, _, query = social.leave(browser).partition("?")
    given = {name: values[0] for name, values in parse_qs(query).items()}
    for state in ("x", "", "é"):
        outside(browser.get(f"{path}?{urlencode(given | {'state': state})}"))


def test_an_answer_serves_once(social: Social, acme: Tenant) -> None:
    connected(social, acme.viewer)
    browser = Client()
    back = social.leave(browser)
    assert user_of(browser.get(back)) == acme.viewer.email
    browser.logout()
    assert browser.get(back).status_code == 403


def test_a_code_is_not_taken_twice(social: Social) -> None:
    """A code that was seen on the way is of no use with a state of one's own."""
    first, second = Client(), Client()
    code = parse_qs(urlsplit(social.leave(first)).query)["code"][0]
    path, _, query = social.leave(second).partition("?")
    stolen = {name: values[0] for name, values in parse_qs(query).items()} | {"code": code}
    outside(second.get(f"{path}?{urlencode(stolen)}"))


def test_an_old_answer(social: Social, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = Client()
    back = social.leave(browser)
    monkeypatch.setattr(attempts, "LIFE", -1)
    outside(browser.get(back))


def test_a_parameter_that_is_repeated(social: Social) -> None:
    browser = Client()
    outside(browser.get(f"{social.leave(browser)}&code=another"))


def test_an_answer_of_one_provider_is_not_brought_to_another(google: Social, github: Social) -> None:
    browser = Client()
    outside(browser.get(google.leave(browser).replace("/google/", "/github/")))


def test_an_answer_of_single_sign_on_is_none_here(google: Social) -> None:
    browser = Client()
    path = google.leave(browser)
    outside(browser.get(path.replace("/accounts/social/google/", f"/sso/{'0' * 8}-0000-4000-8000-{'0' * 12}/")))


@pytest.mark.parametrize(
    "behaviour",
    [
        Behaviour(id_token_claims={"nonce": "another"}),
        Behaviour(id_token_claims={"nonce": REMOVED}),
        Behaviour(id_token_claims={"aud": "another client"}),
        Behaviour(id_token_claims={"aud": [CLIENT_ID, "another"], "azp": "another"}),
        Behaviour(id_token_claims={"iss": "https://accounts.google.com.evil.example"}),
        Behaviour(id_token_claims={"exp": 1}),
        Behaviour(id_token_claims={"sub": REMOVED}),
        Behaviour(id_token=IdToken.ALG_NONE),
        Behaviour(id_token=IdToken.HS256_CLIENT_SECRET),
        Behaviour(id_token=IdToken.OTHER_KEY),
        Behaviour(authorization={"iss": "https://evil.example"}),
        Behaviour(authorization={"code": REMOVED, "error": "access_denied"}),
        Behaviour(userinfo={"sub": "somebody else"}),
        Behaviour(token_error="invalid_grant"),
        Behaviour(token_answer=Answer.HTML_500),
    ],
)
def test_an_answer_that_does_not_hold(gitlab: Social, idp: Hostile, behaviour: Behaviour) -> None:
    idp.behaviour = behaviour
    response = gitlab.sign_in()
    outside(response)
    assert "GitLab did not sign you in" in response.text


@pytest.mark.parametrize("number", [None, "583231", True, 0, -1, 1.5])
def test_github_says_whose_account_it_is_by_number(github: Social, octo: GitHub, number: Any) -> None:
    octo.user |= {"id": number}
    outside(github.sign_in())


@pytest.mark.parametrize("code_instead", [{"error": "access_denied"}, {"code": ""}, {"code": "made up"}])
def test_github_refuses(github: Social, octo: GitHub, code_instead: dict[str, str]) -> None:
    octo.code_instead = code_instead
    outside(github.sign_in())


def test_github_gives_no_token(github: Social, octo: GitHub) -> None:
    octo.refuses_tokens = True
    outside(github.sign_in())
    assert octo.asked == ["/login/oauth/access_token"]


def test_a_github_user_name_is_nobody(github: Social, octo: GitHub, acme: Tenant) -> None:
    """User names are given to others, and so are addresses."""
    connected(github, acme.viewer)
    octo.user |= {"id": 1}
    assert user_of(github.sign_in()) is None
    octo.user |= {"id": 583231, "login": "renamed"}
    octo.emails = []
    assert user_of(github.sign_in()) == acme.viewer.email


def test_requests_have_pkce_and_state_and_one_address_for_each_provider(
    google: Social, github: Social, offered: dict[str, SocialProvider]
) -> None:
    redirects = set()
    for social in (google, github):
        url = Client().get(f"/accounts/social/{social.key}/start/")["Location"]
        asked = parse_qs(urlsplit(url).query)
        assert asked["code_challenge_method"] == ["S256"]
        assert min(len(asked[name][0]) for name in ("state", "code_challenge")) >= 43
        assert "secret" not in url
        redirects.add(asked["redirect_uri"][0])
    assert redirects == {addresses.redirect_uri(provider) for provider in offered.values()}
    assert len(redirects) == 2


@pytest.mark.parametrize(
    "next_url",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "evil", "\n//e", ""],
)
def test_the_way_back_stays_here(google: Social, acme: Tenant, next_url: str) -> None:
    connected(google, acme.viewer)
    assert google.sign_in(next=next_url)["Location"] == "/o/acme/"


def test_whoever_is_signed_in_is_not_sent_away(google: Social, acme: Tenant) -> None:
    browser = signed_in(acme.viewer)
    assert browser.get("/accounts/social/google/start/")["Location"] == "/"
    assert "sso_attempts" not in browser.session


def test_a_provider_that_cannot_be_reached_is_told(google: Social, idp: Hostile) -> None:
    idp.behaviour = Behaviour(discovery_answer=Answer.HTML_500)
    response = Client().get("/accounts/social/google/start/")
    assert response.status_code == 503
    assert "Google cannot be reached at the moment" in response.text


def test_requests_are_limited_by_address(google: Social, settings: Any) -> None:
    settings.API_RATE_PER_ADDRESS = 2
    statuses = [Client().get("/accounts/social/google/start/").status_code for _ in range(4)]
    assert statuses == [302, 302, 429, 429]
    assert Client().get("/accounts/social/google/callback/").status_code == 429


def test_another_provider_with_the_same_issuer_name_does_not_share_what_is_known(
    offered: dict[str, SocialProvider], gitlab: Social, idp: Hostile
) -> None:
    """Keys are remembered by issuer: another server's do not count."""
    gitlab.sign_in()
    with hostile_provider(client_id=CLIENT_ID, client_secret=CLIENT_SECRET) as other:
        offered[GITLAB] = replace(offered[GITLAB], issuer=other.issuer)
        other.behaviour = Behaviour(id_token_claims={"iss": idp.issuer})
        assert Social(GITLAB, other.authorize).sign_in().status_code == 403


@pytest.fixture
def real_gitlab(offered: dict[str, SocialProvider]) -> Iterator[Social]:
    """Return oidc-provider in GitLab's place."""
    made = SocialProvider(GITLAB, "", "gatehouse", "a secret of thirty-two characters")
    client = {
        "client_id": made.client_id,
        "client_secret": made.client_secret,
        "redirect_uris": [addresses.redirect_uri(made)],
    }
    claims = {"email": "grace@example.org", "email_verified": True, "name": "Grace Hopper"}
    with npm_provider(clients=[client], accounts={"grace": Account("42", claims)}) as running:
        offered[GITLAB] = replace(made, issuer=running.issuer)
        yield Social(GITLAB, lambda url: running.sign_in(url, "grace"))


def test_an_openid_provider_that_is_none_of_ours(real_gitlab: Social, acme: Tenant) -> None:
    assert real_gitlab.sign_in()["Location"] == "/accounts/confirm-email/"
    assert User.objects.get(email="grace@example.org").name == "Grace Hopper"
