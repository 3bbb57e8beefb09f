"""Where an organization requires single sign-on, no account at a social provider is a way around it."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Session, SocialIdentity, User
from accounts.services.sign_in_policy import add_sign_in_exception
from accounts.services.social_identities import connect_social_identity
from accounts.services.users import person
from accounts.social.person import SocialPerson
from isolation.actor import FRESH_FOR
from isolation.exceptions import DomainError
from tenants.services.invitations import invite_member
from tests.accounts.factors import give_totp
from tests.people import PASSWORD, Tenant
from tests.social.stage import Social, connected, identities, user_of
from tests.sso.hostile import Hostile
from tests.sso.stage import Sso, connect, verify_domain
from tests.sso.test_fresh_sign_in import SENSITIVE_PAGES
from tests.sso.test_required import require
from tests.tenants.stage import events

pytestmark = pytest.mark.django_db


@pytest.fixture
def corporate(acme: Tenant, other_idp: Hostile) -> Sso:
    """Return acme's connection, by which its member has come in; acme's owner has a second step."""
    verify_domain(acme)
    other_idp.claims |= {"sub": "u-1", "email": "member@acme.example", "name": "Mem Ber"}
    connection = connect(acme, other_idp)
    connection.sign_in()
    give_totp(acme.owner)
    return connection


def test_a_connected_account_opens_a_held_login_no_more(google: Social, corporate: Sso) -> None:
    viewer = corporate.tenant.viewer
    connected(google, viewer)
    require(corporate)
    browser = Client()
    response = google.sign_in(browser, next="/o/acme/")
    assert (response.status_code, user_of(response)) == (403, None)
    assert f"/sso/{corporate.connection.pk}/start/" in response.text
    assert browser.get("/o/acme/")["Location"].startswith("/accounts/login/")
    assert "account_authentication_methods" not in browser.session
    failed = events(corporate.tenant, "user.sign_in_failed")[-1]
    assert failed.reason.endswith("requires single sign-on")


def test_who_is_excepted_comes_in_by_their_account(google: Social, corporate: Sso) -> None:
    viewer = corporate.tenant.viewer
    connected(google, viewer)
    require(corporate)
    with corporate.tenant.acting("owner") as actor:
        add_sign_in_exception(membership=corporate.tenant.membership("viewer"), reason="Abroad", actor=actor)
    assert user_of(google.sign_in()) == viewer.email


def test_a_policy_of_another_organization_holds_nobody(google: Social, corporate: Sso, globex: Tenant) -> None:
    connected(google, globex.owner)
    require(corporate)
    assert user_of(google.sign_in()) == globex.owner.email


def test_nobody_signs_up_with_a_held_address(google: Social, corporate: Sso, idp: Hostile) -> None:
    require(corporate)
    idp.claims |= {"email": "new@acme.example", "hd": "acme.example"}
    response = google.sign_in()
    assert (response.status_code, user_of(response)) == (403, None)
    assert "People with this address sign in through" in response.text
    assert not User.objects.filter(email="new@acme.example").exists()


def test_nobody_joins_with_a_held_address(google: Social, corporate: Sso) -> None:
    with corporate.tenant.acting("owner") as actor:
        role = corporate.tenant.membership("viewer").role
        sent = invite_member(
            organization=corporate.tenant.organization, email="new@acme.example", role=role, actor=actor
        )
    require(corporate)
    browser = Client()
    begun = browser.get(f"/invitations/{sent.token}/with/google/")
    response = browser.get(google.back(begun["Location"]))
    assert (response.status_code, user_of(response)) == (403, None)
    assert not User.objects.filter(email="new@acme.example").exists()


def test_a_held_login_connects_no_account(google: Social, corporate: Sso) -> None:
    """They came by the provider, and their password has widened the session."""
    require(corporate)
    browser = corporate.sign_in().browser
    browser.post("/accounts/reauthenticate/", {"password": PASSWORD})
    assert browser.get("/accounts/profile/").status_code == 200
    page = browser.post("/accounts/social/google/connect/", follow=True)
    assert "requires that you sign in through its identity provider" in page.text
    assert identities() == []


def test_what_was_begun_before_connects_nothing_after(google: Social, corporate: Sso) -> None:
    browser = corporate.sign_in().browser
    browser.post("/accounts/reauthenticate/", {"password": PASSWORD})
    left = google.leave_to_connect(browser)
    require(corporate)
    browser.get(google.back(left))
    assert identities() == []


def test_the_service_connects_nothing_to_a_held_login(google: Social, corporate: Sso, offered: dict[str, Any]) -> None:
    require(corporate)
    viewer = corporate.tenant.viewer
    someone = SocialPerson(
        provider=offered["google"], subject="g-9", email="", is_proven=False, name="", account="someone"
    )
    with pytest.raises(DomainError) as refused:
        connect_social_identity(user=viewer, person=someone, actor=person(viewer))
    assert refused.value.code == "sso_required"
    assert not SocialIdentity.objects.exists()


def test_lists_say_by_which_provider_somebody_came(google: Social, acme: Tenant) -> None:
    connected(google, acme.viewer)
    browser = google.sign_in().client
    assert "Google" in browser.get("/accounts/sessions/").text
    came = events(acme, "user.signed_in")[-1]
    assert came.after == {"methods": ["Google"]}


def test_an_account_is_no_second_step(google: Social, acme: Tenant) -> None:
    connected(google, acme.viewer)
    give_totp(acme.viewer)
    response = google.sign_in()
    assert user_of(response) is None
    assert response["Location"].startswith("/accounts/2fa/authenticate/")


def test_half_a_sign_in_widens_no_session_of_a_provider(google: Social, corporate: Sso) -> None:
    """An account whose second step is not proved, and the organization's provider, are together no whole sign-in."""
    member = corporate.tenant.member
    connected(google, member)
    give_totp(member)
    browser = Client()
    google.sign_in(browser)
    corporate.sign_in(browser)
    assert browser.get("/o/acme/").status_code == 200
    assert browser.get("/accounts/profile/").status_code == 403


def test_signing_in_lately_counts_as_proof(google: Social, acme: Tenant) -> None:
    """What takes a fresh sign-in is open to whoever came by their account a moment ago, and for no longer."""
    connected(google, acme.owner)
    browser = google.sign_in().client
    assert browser.get(SENSITIVE_PAGES[0]).status_code == 200
    long_ago = timezone.now() - FRESH_FOR - timedelta(minutes=1)
    Session.objects.filter(user=acme.owner).update(signed_in_at=long_ago)
    assert browser.get(SENSITIVE_PAGES[0]).status_code == 200, "the account's word is of a moment ago"
    session = browser.session
    for record in session["account_authentication_methods"]:
        record["at"] = long_ago.timestamp()
    session.save()
    assert browser.get(SENSITIVE_PAGES[0])["Location"].startswith("/accounts/confirm/")
