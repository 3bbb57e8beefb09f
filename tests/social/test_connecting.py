"""People connect and disconnect their own accounts, and nobody else's."""

from dataclasses import replace
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.test import Client

from accounts.models import SocialIdentity, User
from accounts.services.social_identities import connect_social_identity, disconnect_social_identity
from accounts.services.users import delete_user, operator_actor, person
from accounts.social.person import SocialPerson
from accounts.social_providers import SocialProvider
from isolation.exceptions import DomainError
from tests.accounts.log import of_installation
from tests.people import PASSWORD, Tenant, signed_in
from tests.social.stage import Social, connected, identities, proved, user_of
from tests.sso.hostile import Hostile
from tests.sso.stage import connect, verify_domain

pytestmark = pytest.mark.django_db


def identity_of(user: User) -> SocialIdentity:
    return SocialIdentity.objects.get(user=user)


def test_another_persons_account_is_not_disconnected(google: Social, acme: Tenant, stranger: User) -> None:
    connected(google, acme.viewer)
    address = f"/accounts/social/{identity_of(acme.viewer).pk}/disconnect/"
    assert proved(stranger).post(address).status_code == 404
    assert proved(acme.owner).post(address).status_code == 404
    assert Client().post(address)["Location"].startswith("/accounts/login/")
    assert identities() == [("viewer@acme.example", "google", "g-1")]
    assert "grace" not in signed_in(stranger).get("/accounts/profile/").text


def test_an_account_that_is_somebodys_connects_nobody_else(google: Social, acme: Tenant, stranger: User) -> None:
    connected(google, acme.viewer)
    browser = proved(stranger)
    google.connect(browser)
    assert "signs in to another account here" in browser.get("/accounts/profile/").text
    assert identities() == [("viewer@acme.example", "google", "g-1")]
    assert user_of(google.sign_in()) == "viewer@acme.example"


def test_an_unattended_browser_connects_nothing_without_the_password(google: Social, acme: Tenant) -> None:
    """A stolen session would keep a way in for whoever stole it."""
    thief = signed_in(acme.owner)
    for address in ("google/connect/", f"{acme.owner.pk}/disconnect/"):
        response = thief.post(f"/accounts/social/{address}")
        assert response["Location"].startswith("/accounts/reauthenticate/")
    assert "sso_attempts" not in thief.session


def test_the_password_lets_it_go_on(google: Social, acme: Tenant) -> None:
    browser = signed_in(acme.viewer)
    address = "/accounts/social/google/connect/"
    browser.post(address)
    page = browser.post("/accounts/reauthenticate/", {"password": PASSWORD, "next": address})
    browser.get(google.back(page.context["leaving_url"]))
    assert identities() == [("viewer@acme.example", "google", "g-1")]
    assert "You can sign in with Google now." in browser.get("/accounts/profile/").text
    (linked,) = of_installation("social_identity.linked")
    assert (linked.actor_label, linked.after["subject"]) == ("viewer@acme.example", "g-1")


def test_connecting_is_asked_by_a_form_of_ours(google: Social, acme: Tenant) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = proved(acme.viewer).cookies
    assert strict.get("/accounts/social/google/connect/").status_code == 405
    assert strict.post("/accounts/social/google/connect/").status_code == 403


def test_a_session_of_an_organizations_provider_connects_nothing(google: Social, acme: Tenant, idp: Hostile) -> None:
    verify_domain(acme)
    sso = connect(acme, idp)
    idp.claims |= {"sub": "u-1", "email": "member@acme.example"}
    browser = sso.sign_in().browser
    assert browser.post("/accounts/social/google/connect/").status_code == 403
    assert browser.get("/accounts/social/google/start/").status_code == 403
    assert identities() == []


def test_the_answer_goes_to_whoever_began(google: Social, acme: Tenant) -> None:
    """Somebody signs out, another signs in, and the account of the first comes back."""
    browser = proved(acme.viewer)
    back = google.back(google.leave_to_connect(browser))
    kept = browser.session["sso_attempts"]
    browser = signed_in(acme.owner)
    session = browser.session
    session["sso_attempts"] = kept
    session.save()
    assert browser.get(back).status_code == 403
    assert identities() == []


def test_an_answer_to_a_sign_in_connects_nothing(google: Social, acme: Tenant) -> None:
    """Who plants their own answer in somebody's browser does not get into that login with their account."""
    browser = proved(acme.viewer)
    mallory = Client()
    back = google.leave(mallory)
    assert browser.get(back).status_code == 403
    assert identities() == []


def test_whoever_has_no_password_chooses_one_before_connecting(google: Social, github: Social, idp: Hostile) -> None:
    idp.claims |= {"email": "grace@gmail.com"}
    browser = Client()
    google.sign_in(browser)
    assert browser.post("/accounts/social/github/connect/")["Location"] == "/accounts/profile/"
    assert "Choose a password first" in browser.get("/accounts/profile/").text


def test_the_last_way_to_sign_in_stays(google: Social, idp: Hostile) -> None:
    idp.claims |= {"email": "grace@gmail.com"}
    browser = Client()
    google.sign_in(browser)
    user = User.objects.get(email="grace@gmail.com")
    address = f"/accounts/social/{identity_of(user).pk}/disconnect/"
    browser.post(address)
    assert "This is your only way to sign in" in browser.get("/accounts/profile/").text
    assert len(identities()) == 1


def test_a_disconnected_account_opens_nothing(google: Social, acme: Tenant) -> None:
    connected(google, acme.viewer)
    browser = proved(acme.viewer)
    browser.post(f"/accounts/social/{identity_of(acme.viewer).pk}/disconnect/")
    assert "signs you in no more" in browser.get("/accounts/profile/").text
    assert user_of(google.sign_in()) is None
    assert identities() != [("viewer@acme.example", "google", "g-1")]
    (ended,) = of_installation("social_identity.unlinked")
    assert (ended.actor_label, ended.before["subject"]) == ("viewer@acme.example", "g-1")


def test_the_same_subject_of_another_provider_or_issuer_is_somebody_else(
    gitlab: Social, google: Social, offered: dict[str, SocialProvider], acme: Tenant, idp: Hostile
) -> None:
    """Also after the operator has turned the portal to another GitLab: its first user is not the former's."""
    connected(gitlab, acme.viewer)
    assert user_of(google.sign_in()) != "viewer@acme.example"
    SocialIdentity.objects.filter(user=acme.viewer).get()
    identity = identity_of(acme.viewer)
    assert identity.issuer == idp.issuer
    moved = person_at(replace(offered["gitlab"], issuer="https://gitlab.other.example"), identity.subject)
    user = acme.owner
    connect_social_identity(user=user, person=moved, actor=person(user))
    assert user_of(gitlab.sign_in()) == "viewer@acme.example"
    assert identity_of(user).issuer == "https://gitlab.other.example"


def person_at(provider: SocialProvider, subject: str) -> SocialPerson:
    return SocialPerson(provider=provider, subject=subject, email="", is_proven=False, name="", account="")


def test_the_service_asks_who_acts(
    google: Social, offered: dict[str, SocialProvider], acme: Tenant, operator: User
) -> None:
    connected(google, acme.viewer)
    identity = identity_of(acme.viewer)
    for actor in (person(acme.owner), operator_actor(operator)):
        with pytest.raises(DomainError, match="their own accounts"):
            disconnect_social_identity(user=acme.viewer, identity_id=identity.pk, actor=actor)
        with pytest.raises(DomainError, match="their own accounts"):
            connect_social_identity(user=acme.viewer, person=person_at(offered["google"], "g-2"), actor=actor)


def test_the_database_holds_one_person_for_each_account(google: Social, acme: Tenant) -> None:
    connected(google, acme.viewer)
    row: dict[str, Any] = dict(SocialIdentity.objects.values("provider", "issuer", "subject").get())
    with pytest.raises(IntegrityError), transaction.atomic():
        SocialIdentity.objects.create(user=acme.owner, **row)


def test_a_deleted_login_leaves_no_account_behind(google: Social, acme: Tenant, operator: User) -> None:
    connected(google, acme.viewer)
    delete_user(user=acme.viewer, actor=operator_actor(operator))
    assert identities() == []
