"""Signing up, confirming addresses, forgotten passwords."""

import re

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client

from accounts.models import User
from accounts.services.sign_up import join_default_organization
from audit.models import Event
from isolation.actor import SYSTEM
from isolation.scope import tenant_scope
from tenants.models import Membership, ProjectMembership
from tenants.services.installation import update_installation_settings
from tenants.services.invitations import invite_member
from tenants.services.organizations import suspend_organization
from tests.accounts.log import of_installation
from tests.people import PASSWORD, Tenant, make_user, signed_in

pytestmark = pytest.mark.django_db
NEW = "new@example.org"


def sign_up(client: Client, email: str = NEW) -> None:
    data = {"email": email, "name": "Nia New", "password1": PASSWORD, "password2": PASSWORD}
    response = client.post("/accounts/signup/", data)
    assert response["Location"] == "/accounts/confirm-email/"


def mailed_address(pattern: str) -> str:
    (address,) = re.findall(rf"http://testserver({pattern}\S+)", str(mail.outbox[-1].body))
    return str(address)


def confirm(client: Client) -> str:
    address = mailed_address("/accounts/confirm-email/")
    assert client.get(address).status_code == 200
    return str(client.post(address)["Location"])


def actions(email: str = NEW) -> list[str]:
    return [event.action for event in of_installation(target_label=email)]


def role_of(tenant: Tenant, email: str = NEW) -> str | None:
    with tenant_scope(tenant.organization):
        membership = Membership.objects.filter(user__email=email).select_related("role").first()
        return membership.role.key if membership else None


def test_signing_up_takes_a_confirmed_address(db: None) -> None:
    client = Client()
    sign_up(client)
    user = User.objects.get(email=NEW)
    assert user.name == "Nia New"
    assert client.get("/").status_code == 302
    assert actions() == ["user.created"]
    confirm(client)
    assert "user.email_verified" in actions()
    client.post("/accounts/login/", {"login": NEW, "password": PASSWORD})
    assert "Ask to be invited" in client.get("/").text


def test_the_events_say_who_and_hide_the_password(db: None) -> None:
    sign_up(Client())
    (event,) = of_installation("user.created")
    assert (event.actor_kind, event.actor_id) == ("user", User.objects.get(email=NEW).pk)
    assert event.after["email"] == NEW
    assert "scrypt" not in str(event.after)
    assert "md5" not in str(event.after)


def test_no_event_no_user(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("accounts.adapter.announce_sign_up", lambda _: None)
    client = Client(raise_request_exception=False)
    client.post("/accounts/signup/", {"email": NEW, "password1": PASSWORD, "password2": PASSWORD})
    assert not User.objects.filter(email=NEW).exists()
    assert not mail.outbox


def test_signing_up_twice_tells_only_the_mailbox(db: None) -> None:
    make_user(NEW)
    sign_up(Client())
    assert mail.outbox[-1].subject == "You have an account already"
    assert User.objects.filter(email=NEW).count() == 1


def test_sign_up_can_be_closed(db: None) -> None:
    update_installation_settings(actor=SYSTEM, signup_enabled=False)
    client = Client()
    assert "By invitation only" in client.get("/accounts/signup/").text
    client.post("/accounts/signup/", {"email": NEW, "password1": PASSWORD, "password2": PASSWORD})
    assert not User.objects.filter(email=NEW).exists()
    assert "Ask somebody in your organization for an invitation" in client.get("/accounts/login/").text


def test_a_newcomer_joins_the_default_organization(acme: Tenant, globex: Tenant) -> None:
    update_installation_settings(actor=SYSTEM, default_organization_id=acme.organization.pk, default_role="member")
    client = Client()
    sign_up(client)
    assert role_of(acme) is None
    confirm(client)
    assert role_of(acme) == "member"
    with tenant_scope(acme.organization):
        event = Event.objects.get(action="member.added", target_label=NEW)
        assert Membership.objects.get(user__email=NEW).source == "default"
    assert event.actor_kind == "system"


def test_with_a_default_project_the_role_counts_there_only(acme: Tenant) -> None:
    update_installation_settings(
        actor=SYSTEM, default_organization_id=acme.organization.pk, default_project_id=acme.project.pk
    )
    client = Client()
    sign_up(client)
    confirm(client)
    assert role_of(acme) == "none"
    with tenant_scope(acme.organization):
        place = ProjectMembership.objects.select_related("role").get(membership__user__email=NEW)
        assert (place.project_id, place.role.key) == (acme.project.pk, "viewer")


def test_nobody_joins_by_default_who_is_invited_or_has_a_place(acme: Tenant, globex: Tenant) -> None:
    update_installation_settings(actor=SYSTEM, default_organization_id=acme.organization.pk)
    with globex.acting("owner") as actor:
        invite_member(organization=globex.organization, email=NEW, role=globex.role("viewer"), actor=actor)
    client = Client()
    sign_up(client)
    confirm(client)
    assert role_of(acme) is None
    assert join_default_organization(user=globex.owner) is None


def test_a_closed_default_organization_takes_nobody(acme: Tenant) -> None:
    update_installation_settings(actor=SYSTEM, default_organization_id=acme.organization.pk)
    with tenant_scope(acme.organization):
        suspend_organization(organization=acme.organization, actor=SYSTEM, reason="Unpaid")
    client = Client()
    sign_up(client)
    confirm(client)
    assert role_of(acme) is None


def test_a_forgotten_password(acme: Tenant) -> None:
    client = Client()
    client.post("/accounts/password/reset/", {"email": acme.viewer.email})
    address = mailed_address("/accounts/password/reset/key/")
    response = client.get(address)
    assert response["Referrer-Policy"] == "strict-origin"
    new = "another long enough password"
    response = client.post(response["Location"], {"password1": new, "password2": new}, follow=True)
    assert "Your password is changed" in response.text
    (event,) = of_installation("user.password_changed")
    assert (event.actor_id, event.reason) == (acme.viewer.pk, "Reset by the link in a mail")
    assert client.post("/accounts/login/", {"login": acme.viewer.email, "password": new})["Location"] == "/o/acme/"
    assert "This link cannot be used" in Client().get(address, follow=True).text


def test_a_reset_for_a_stranger_mails_nobody(db: None) -> None:
    response = Client().post("/accounts/password/reset/", {"email": "nobody@example.org"}, follow=True)
    assert "If there is an account" in response.text
    assert not mail.outbox


def test_changing_the_address(acme: Tenant) -> None:
    client = signed_in(acme.viewer)
    old = acme.viewer.email
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    client.post("/accounts/email/", {"action_add": "", "email": "vera@example.org"}, follow=True)
    confirm(client)
    client.post("/accounts/email/", {"action_primary": "", "email": "vera@example.org"})
    acme.viewer.refresh_from_db()
    assert acme.viewer.email == "vera@example.org"
    client.post("/accounts/email/", {"action_remove": "", "email": old})
    assert [address.email for address in EmailAddress.objects.filter(user=acme.viewer)] == ["vera@example.org"]
    (changed,) = of_installation("user.updated")
    assert (changed.before, changed.after) == ({"email": old}, {"email": "vera@example.org"})
    assert len(of_installation("user.email_added")) == 1
    assert len(of_installation("user.email_removed")) == 1


@pytest.mark.parametrize(
    "address",
    ["login/", "signup/", "logout/", "password/reset/", "password/reset/done/", "inactive/", "confirm-email/"],
)
def test_pages_for_people_who_are_signed_out(db: None, address: str) -> None:
    response = Client().get(f"/accounts/{address}", follow=True)
    assert response.status_code == 200
    assert "portal/portal.css" in response.text


@pytest.mark.parametrize("address", ["email/", "password/change/", "profile/", "reauthenticate/", "logout/"])
def test_pages_for_people_who_are_signed_in(acme: Tenant, address: str) -> None:
    response = signed_in(acme.viewer).get(f"/accounts/{address}")
    assert response.status_code == 200
    assert "portal/portal.css" in response.text
    assert "<style" not in response.text
    assert " style=" not in response.text
