"""Accepting an invitation: as somebody new, as somebody known, as somebody else."""

import re
from collections.abc import Callable

import psycopg
import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.test import Client, RequestFactory

from accounts.models import User
from audit.models import Event
from isolation.actor import SYSTEM
from isolation.scope import tenant_scope
from tenants import mails
from tenants.models import Invitation, Membership
from tenants.services.installation import update_installation_settings
from tenants.services.invitations import SentInvitation, accept_invitation, invite_member, revoke_invitation
from tenants.services.organizations import suspend_organization
from tests.people import PASSWORD, Tenant, make_user, signed_in

pytestmark = pytest.mark.django_db
GUEST = "guest@example.org"
STRONG = {"name": "Gus Guest", "password1": PASSWORD, "password2": PASSWORD}


@pytest.fixture
def sent(acme: Tenant) -> SentInvitation:
    with acme.acting("owner") as actor:
        return invite_member(organization=acme.organization, email=GUEST, role=acme.role("viewer"), actor=actor)


@pytest.fixture
def link(sent: SentInvitation) -> str:
    return f"/invitations/{sent.token}/"


def role_of(tenant: Tenant, email: str) -> str | None:
    with tenant_scope(tenant.organization):
        membership = Membership.objects.filter(user__email=email, is_active=True).select_related("role").first()
        return membership.role.key if membership else None


def test_a_stranger_cannot_accept_for_somebody_else(
    acme: Tenant, stranger: User, sent: SentInvitation, link: str
) -> None:
    client = signed_in(stranger)
    for page in (client.get(link), client.post(link)):
        assert f"This invitation is for {GUEST}" in page.text
        assert stranger.email in page.text
    assert client.post(f"/invitations/{sent.invitation.pk}/accept/").status_code == 404
    assert role_of(acme, stranger.email) is None


def test_an_unknown_token_is_no_page(db: None) -> None:
    assert Client().get("/invitations/made-up/").status_code == 404
    assert Client().post("/invitations/made-up/", STRONG).status_code == 404


def test_somebody_new_signs_up_and_is_in(acme: Tenant, link: str) -> None:
    client = Client()
    page = client.get(link)
    assert page.status_code == 200
    assert GUEST in page.text
    response = client.post(link, STRONG)
    assert response["Location"] == "/o/acme/"
    user = User.objects.get(email=GUEST)
    assert user.name == "Gus Guest"
    assert EmailAddress.objects.get(user=user).verified
    assert role_of(acme, GUEST) == "viewer"
    assert client.get("/").context["user"] == user
    assert not mail.outbox


def test_an_invited_person_signs_up_although_sign_up_is_closed(acme: Tenant, link: str) -> None:
    update_installation_settings(actor=SYSTEM, signup_enabled=False)
    assert Client().post(link, STRONG)["Location"] == "/o/acme/"


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"password1": "short", "password2": "short"}, "password1"),
        ({"password1": PASSWORD, "password2": "another one"}, "password2"),
        ({"password1": GUEST, "password2": GUEST}, "password1"),
        ({}, "password1"),
    ],
)
def test_a_refused_password_makes_nobody(link: str, data: dict[str, str], field: str) -> None:
    response = Client().post(link, data)
    assert response.status_code == 200
    assert field in response.context["form"].errors
    assert not User.objects.filter(email=GUEST).exists()


def test_somebody_known_signs_in_and_accepts(acme: Tenant, link: str) -> None:
    user = make_user(GUEST)
    client = Client()
    assert f"/accounts/login/?next={link.replace('/', '%2F')}" in client.get(link).text
    assert client.post(link, STRONG).status_code == 200
    assert role_of(acme, GUEST) is None
    client = signed_in(user)
    assert "Accept the invitation" in client.get(link).text
    assert client.post(link)["Location"] == "/o/acme/"
    assert role_of(acme, GUEST) == "viewer"


def test_the_way_through_signing_out_and_in_leads_back(acme: Tenant, stranger: User, link: str) -> None:
    make_user(GUEST)
    client = signed_in(stranger)
    assert client.post("/accounts/logout/", {"next": link})["Location"] == link
    response = client.post("/accounts/login/", {"login": GUEST, "password": PASSWORD, "next": link})
    assert response["Location"] == link
    assert client.post(link)["Location"] == "/o/acme/"


def test_looking_changes_nothing(acme: Tenant, sent: SentInvitation, link: str) -> None:
    for client in (Client(), signed_in(make_user(GUEST))):
        assert client.get(link).status_code == 200
        assert client.head(link).status_code == 200
    with tenant_scope(acme.organization):
        assert Invitation.objects.get().is_open
    assert client.get(f"/invitations/{sent.invitation.pk}/accept/").status_code == 405
    assert role_of(acme, GUEST) is None


def test_accepting_needs_the_forms_token(link: str) -> None:
    user = make_user(GUEST)
    client = Client(enforce_csrf_checks=True)
    client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
    response = client.post(link)
    assert response.status_code == 403
    assert "out of date" in response.text


def test_the_landing_page_accepts_for_the_verified_address(acme: Tenant, sent: SentInvitation) -> None:
    user = make_user(GUEST)
    client = signed_in(user)
    assert "Acme" in client.get("/").text
    assert client.post(f"/invitations/{sent.invitation.pk}/accept/")["Location"] == "/o/acme/"
    assert role_of(acme, GUEST) == "viewer"


def test_an_unverified_address_shows_no_invitations(acme: Tenant, sent: SentInvitation) -> None:
    user = make_user(GUEST)
    EmailAddress.objects.filter(user=user).update(verified=False)
    client = signed_in(user)
    assert "Acme" not in client.get("/").text
    assert client.post(f"/invitations/{sent.invitation.pk}/accept/").status_code == 404


def _accepted(acme: Tenant, sent: SentInvitation, superuser: psycopg.Connection) -> str:
    user = make_user(GUEST)
    accept_invitation(organization_id=acme.organization.pk, invitation_id=sent.invitation.pk, user=user, actor=SYSTEM)
    return "has been accepted"


def _revoked(acme: Tenant, sent: SentInvitation, superuser: psycopg.Connection) -> str:
    with acme.acting("owner") as actor:
        revoke_invitation(invitation=sent.invitation, actor=actor)
    return "has been revoked"


def _expired(acme: Tenant, sent: SentInvitation, superuser: psycopg.Connection) -> str:
    superuser.execute("SET session_replication_role = replica")
    superuser.execute("UPDATE tenants_invitation SET expires_at = now() - interval '1 minute'")
    return "has expired"


def _suspended(acme: Tenant, sent: SentInvitation, superuser: psycopg.Connection) -> str:
    with tenant_scope(acme.organization):
        suspend_organization(organization=acme.organization, actor=SYSTEM, reason="Unpaid")
    return "takes no new members"


@pytest.mark.parametrize("close", [_accepted, _revoked, _expired, _suspended])
def test_a_closed_invitation_says_why(
    acme: Tenant, sent: SentInvitation, link: str, superuser: psycopg.Connection, close: Callable[..., str]
) -> None:
    words = close(acme, sent, superuser)
    for response in (Client().get(link), Client().post(link, STRONG)):
        assert response.status_code == 410
        assert words in " ".join(response.text.split())
    if close is not _accepted:
        assert not User.objects.filter(email=GUEST).exists()


def test_the_address_counts_in_any_case(acme: Tenant) -> None:
    with acme.acting("owner") as actor:
        sent = invite_member(
            organization=acme.organization, email="Guest@Example.ORG", role=acme.role("viewer"), actor=actor
        )
    assert Client().post(f"/invitations/{sent.token}/", STRONG)["Location"] == "/o/acme/"


def test_the_token_stays_in_the_link(acme: Tenant, sent: SentInvitation, link: str, superuser) -> None:
    response = Client().get(link)
    assert response["Referrer-Policy"] == "strict-origin"
    assert "no-store" in response["Cache-Control"]
    Client().post(link, STRONG)
    rows = superuser.execute("SELECT row_to_json(e)::text FROM audit_event e").fetchall()
    assert rows
    assert not [row for row in rows if sent.token in row[0]]


def test_the_audit_log_tells_who_came_and_how(acme: Tenant, link: str) -> None:
    Client().post(link, STRONG)
    with tenant_scope(acme.organization):
        events = {e.action: e for e in Event.objects.filter(actor_label=GUEST)}
    user = User.objects.get(email=GUEST)
    assert {"invitation.accepted", "member.added", "user.signed_in"} <= set(events)
    assert {event.actor_id for event in events.values()} == {user.pk}


def test_the_mail_goes_out_with_the_commit_only(acme: Tenant, rf: RequestFactory) -> None:
    request = rf.get("/", headers={"host": "localhost"})
    with pytest.raises(ZeroDivisionError), acme.acting("owner") as actor:
        sent = invite_member(organization=acme.organization, email=GUEST, role=acme.role("viewer"), actor=actor)
        mails.send_invitation(sent, request=request)
        raise ZeroDivisionError
    assert not mail.outbox
    with acme.acting("owner") as actor:
        sent = invite_member(organization=acme.organization, email=GUEST, role=acme.role("viewer"), actor=actor)
        mails.send_invitation(sent, request=request)
        assert not mail.outbox
    (message,) = mail.outbox
    assert message.to == [GUEST]
    assert message.subject == "Join Acme on Gatehouse"
    (address,) = re.findall(r"http://localhost(/invitations/\S+)", str(message.body))
    assert Client().get(address).status_code == 200
    assert isinstance(message, mail.EmailMultiAlternatives)
    assert address in str(message.alternatives[0][0])
