"""Signing in and out, and failing to, in the audit log."""

import pytest
from django.test import Client

from accounts.models import User
from accounts.services.users import create_user
from audit.models import Event
from isolation.actor import SYSTEM
from isolation.scope import tenant_scope
from tenants.models import Source
from tenants.services.members import add_member, set_member_active
from tests.accounts.log import of_installation
from tests.people import PASSWORD, Tenant, make_user

pytestmark = pytest.mark.django_db
WRONG = "not the right password"


def sign_in(email: str, password: str = PASSWORD) -> Client:
    client = Client()
    client.post("/accounts/login/", {"login": email, "password": password})
    return client


def of_tenant(tenant: Tenant, action: str) -> list[Event]:
    with tenant_scope(tenant.organization):
        return list(Event.objects.filter(organization_id=tenant.organization.pk, action=action))


def test_a_strangers_sign_in_is_in_no_other_log(acme: Tenant, stranger: User) -> None:
    sign_in(stranger.email)
    sign_in(stranger.email, WRONG)
    assert not of_tenant(acme, "user.signed_in")
    assert not of_tenant(acme, "user.sign_in_failed")


def test_signing_in_is_told_to_each_organization(acme: Tenant, globex: Tenant) -> None:
    with tenant_scope(globex.organization):
        role = globex.role("viewer")
        add_member(organization=globex.organization, user=acme.viewer, role=role, source=Source.MANUAL, actor=SYSTEM)
    sign_in(acme.viewer.email)
    for events in (
        of_installation("user.signed_in"),
        of_tenant(acme, "user.signed_in"),
        of_tenant(globex, "user.signed_in"),
    ):
        (event,) = events
        assert (event.actor_kind, event.actor_id, event.actor_label) == ("user", acme.viewer.pk, acme.viewer.email)
        assert (event.outcome, event.via, event.ip) == ("success", "console", "127.0.0.1")
        assert event.target_label == acme.viewer.email


def test_a_deactivated_membership_is_told_nothing(acme: Tenant) -> None:
    with acme.acting("owner") as actor:
        set_member_active(membership=acme.membership("viewer"), active=False, actor=actor)
    sign_in(acme.viewer.email)
    assert of_installation("user.signed_in")
    assert not of_tenant(acme, "user.signed_in")


def test_a_wrong_password_is_told_without_the_password(acme: Tenant, superuser) -> None:
    sign_in(acme.viewer.email.upper(), WRONG)
    for events in (of_installation("user.sign_in_failed"), of_tenant(acme, "user.sign_in_failed")):
        (event,) = events
        assert (event.actor_kind, event.actor_id, event.outcome) == ("anonymous", None, "failed")
        assert (event.target_id, event.target_label) == (str(acme.viewer.pk), acme.viewer.email)
    rows = superuser.execute("SELECT row_to_json(e)::text FROM audit_event e").fetchall()
    assert not [row for row in rows if WRONG in row[0]]


def test_an_unknown_address_is_told_to_the_installation_only(acme: Tenant) -> None:
    sign_in("nobody@acme.example", WRONG)
    (event,) = of_installation("user.sign_in_failed")
    assert (event.target_id, event.target_label) == ("", "nobody@acme.example")
    assert not of_tenant(acme, "user.sign_in_failed")


def test_what_is_no_address_is_not_stored(db: None) -> None:
    sign_in("my password, typed into the wrong field", WRONG)
    assert not of_installation("user.sign_in_failed")


def test_a_deactivated_login_says_so(db: None) -> None:
    user = make_user("gone@example.org", is_active=False)
    client = Client()
    response = client.post("/accounts/login/", {"login": user.email, "password": PASSWORD}, follow=True)
    assert "This login is deactivated" in response.text
    (event,) = of_installation("user.sign_in_failed")
    assert event.reason == "The login is deactivated"
    assert not of_installation("user.signed_in")


def test_signing_out_is_told(acme: Tenant) -> None:
    client = sign_in(acme.viewer.email)
    client.post("/accounts/logout/")
    for events in (of_installation("user.signed_out"), of_tenant(acme, "user.signed_out")):
        (event,) = events
        assert event.actor_id == acme.viewer.pk
    client.post("/accounts/logout/")
    assert len(of_installation("user.signed_out")) == 1


def test_changing_the_password(acme: Tenant) -> None:
    client, elsewhere = sign_in(acme.viewer.email), sign_in(acme.viewer.email)
    new = "another long enough password"
    data = {"oldpassword": PASSWORD, "password1": new, "password2": new}
    assert client.post("/accounts/password/change/", data)["Location"] == "/accounts/profile/"
    (event,) = of_installation("user.password_changed")
    assert event.actor_id == acme.viewer.pk
    assert not event.before
    assert not event.after
    assert client.get("/").status_code == 200
    assert elsewhere.get("/").status_code == 302


def test_confirming_the_password_again_is_told(acme: Tenant) -> None:
    client = sign_in(acme.viewer.email)
    client.post("/accounts/reauthenticate/", {"password": WRONG})
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    (failed,) = of_installation("user.sign_in_failed")
    assert failed.actor_id == acme.viewer.pk
    assert len(of_installation("user.reauthenticated")) == 1


OTHER_HASHER_FIRST = [
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
    "django.contrib.auth.hashers.MD5PasswordHasher",
]


def test_an_unconfirmed_address_is_held_up(db: None, settings) -> None:
    user = create_user(email="new@example.org", password=PASSWORD, actor=SYSTEM)
    settings.PASSWORD_HASHERS = OTHER_HASHER_FIRST
    response = Client().post("/accounts/login/", {"login": user.email, "password": PASSWORD})
    assert response["Location"] == "/accounts/confirm-email/"
    (event,) = of_installation("user.sign_in_failed")
    assert event.reason == "The e-mail address is not confirmed yet"
    assert not of_installation("user.signed_in")


def test_a_renewed_hash_needs_no_event_of_its_own(acme: Tenant, settings) -> None:
    settings.PASSWORD_HASHERS = OTHER_HASHER_FIRST
    client = sign_in(acme.viewer.email)
    acme.viewer.refresh_from_db()
    assert acme.viewer.password.startswith("pbkdf2")
    assert client.get("/").status_code == 200
