"""What an attacker could try with addresses that are not, or not yet, theirs."""

from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth.hashers import MD5PasswordHasher
from django.core import mail
from django.test import Client

from accounts.models import User
from accounts.services.users import create_user
from isolation.actor import SYSTEM
from tenants.services.installation import update_installation_settings
from tenants.services.invitations import invite_member
from tenants.services.members import remove_member, set_member_active
from tests.accounts.test_signup import confirm, role_of, sign_up
from tests.people import PASSWORD, Tenant, signed_in

pytestmark = pytest.mark.django_db
GUEST = "guest@example.org"


@pytest.mark.parametrize("end", ["removed", "deactivated and left"])
def test_a_second_address_brings_nobody_back_into_the_default_organization(acme: Tenant, end: str) -> None:
    update_installation_settings(actor=SYSTEM, default_organization_id=acme.organization.pk, default_role="member")
    with acme.acting("owner") as actor:
        membership = acme.membership("member")
        if end == "removed":
            remove_member(membership=membership, actor=actor)
        else:
            set_member_active(membership=membership, active=False, actor=actor)
    client = signed_in(acme.member)
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    if end != "removed":
        client.post("/accounts/profile/", {"leave": str(acme.organization.pk)})
    client.post("/accounts/email/", {"action_add": "", "email": "again@example.org"}, follow=True)
    confirm(client)
    assert EmailAddress.objects.get(email="again@example.org").verified
    assert role_of(acme, acme.member.email) is None


def test_a_verified_further_address_does_not_break_an_invitation(acme: Tenant, globex: Tenant) -> None:
    EmailAddress.objects.create(user=globex.owner, email=GUEST, verified=True, primary=False)
    with acme.acting("owner") as actor:
        sent = invite_member(organization=acme.organization, email=GUEST, role=acme.role("viewer"), actor=actor)
    link = f"/invitations/{sent.token}/"
    client = Client()
    assert client.get(link).status_code == 200
    response = client.post(link, {"name": "G", "password1": PASSWORD, "password2": PASSWORD})
    assert response.status_code < 500
    assert not User.objects.filter(email=GUEST).exists()


def test_signing_up_with_an_invited_address_gives_nothing_before_it_is_proven(acme: Tenant) -> None:
    with acme.acting("owner") as actor:
        sent = invite_member(organization=acme.organization, email=GUEST, role=acme.role("admin"), actor=actor)
    mallory = Client()
    sign_up(mallory, GUEST)
    assert mallory.get("/").status_code == 302
    assert mallory.post(f"/invitations/{sent.invitation.pk}/accept/").status_code in {302, 404}
    response = mallory.post("/accounts/login/", {"login": GUEST, "password": PASSWORD})
    assert response["Location"] == "/accounts/confirm-email/"
    assert role_of(acme, GUEST) is None


def test_an_unproven_further_address_opens_no_invitation(acme: Tenant, stranger: User) -> None:
    with acme.acting("owner") as actor:
        sent = invite_member(organization=acme.organization, email=GUEST, role=acme.role("admin"), actor=actor)
    client = signed_in(stranger)
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    client.post("/accounts/email/", {"action_add": "", "email": GUEST}, follow=True)
    client.post("/accounts/email/", {"action_primary": "", "email": GUEST}, follow=True)
    assert client.post(f"/invitations/{sent.invitation.pk}/accept/").status_code == 404
    client.post(f"/invitations/{sent.token}/")
    assert role_of(acme, stranger.email) is None
    assert role_of(acme, GUEST) is None


def test_signing_up_looks_and_costs_the_same_for_a_known_address(acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[str] = []

    def encode(self: Any, password: str, salt: str) -> str:
        hashed.append(password)
        return f"md5${salt}$0"

    monkeypatch.setattr(MD5PasswordHasher, "encode", encode)
    pages = []
    for email in (acme.viewer.email, GUEST):
        client = Client()
        sign_up(client, email)
        pages.append(client.get("/accounts/confirm-email/").text)
        assert len(hashed) == len(pages)
    assert pages[0] == pages[1]


def test_a_stolen_session_changes_no_address_without_the_password(acme: Tenant) -> None:
    thief = signed_in(acme.owner)
    response = thief.post("/accounts/email/", {"action_add": "", "email": "thief@example.org"})
    assert response["Location"].startswith("/accounts/reauthenticate/")
    assert "thief@example.org" not in thief.get("/accounts/email/").text
    thief.post("/accounts/reauthenticate/", {"password": "a guess that is wrong", "next": "/accounts/email/"})
    assert not EmailAddress.objects.filter(email="thief@example.org").exists()


def test_the_password_lets_the_change_of_address_go_on(acme: Tenant) -> None:
    owner = signed_in(acme.owner)
    owner.post("/accounts/email/", {"action_add": "", "email": "owner2@example.org"})
    owner.post("/accounts/reauthenticate/", {"password": PASSWORD, "next": "/accounts/email/"})
    assert "owner2@example.org" in owner.get("/accounts/email/").text
    assert len(mail.outbox) == 1


def test_a_name_cannot_put_words_before_a_mail(acme: Tenant) -> None:
    crafted = "Your login is locked.\r\n\r\nGo to https://evil.example \u202etxt"
    signed_in(acme.admin).post("/accounts/profile/", {"name": crafted})
    client = Client()
    data = {"email": GUEST, "name": crafted, "password1": PASSWORD, "password2": PASSWORD}
    client.post("/accounts/signup/", data)
    create_user(email="made@example.org", name=crafted, actor=SYSTEM)
    for email in (acme.admin.email, GUEST, "made@example.org"):
        assert User.objects.get(email=email).name == "Your login is locked. Go to https://evil.example txt"
