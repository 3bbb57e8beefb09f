"""Inviting one or many, resending, revoking; the token is in the mail and nowhere else."""

import re
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from audit.recorder import ACCESS_DENIED, record
from isolation.actor import SYSTEM
from tenants.models import Invitation
from tenants.services.members import set_project_role
from tests.people import Tenant, make_project, signed_in
from tests.tenants.admin.conftest import Furniture, state

INVITE = "/o/acme/members/invite/"
LIST = "/o/acme/tenants/invitation/"


def invite(client: Client, tenant: Tenant, emails: str, role: str = "member", **more: Any) -> Any:
    """Post the form and follow."""
    with tenant.acting("owner"):
        pk = tenant.role(role).pk
    return client.post(INVITE, {"emails": emails, "role": str(pk), **more}, follow=True)


def addresses(tenant: Tenant) -> dict[str, str]:
    """Return address to state."""
    with tenant.acting("owner"):
        return {row.email: row.state for row in Invitation.objects.all()}


def test_an_invitation_is_mailed_and_its_token_shown_nowhere(
    owner: Client, acme: Tenant, mailoutbox: list[Any]
) -> None:
    response = invite(owner, acme, "Ada@Example.org")

    page = response.content.decode()
    assert "Invitations were sent to ada@example.org." in page
    assert addresses(acme) == {"ada@example.org": "pending"}
    (mail,) = mailoutbox
    token = re.search(r"/invitations/([\w-]+)/", mail.body)[1]  # type: ignore[index]
    assert mail.to == ["ada@example.org"]
    for url in (LIST, INVITE, "/o/acme/"):
        assert token not in owner.get(url).content.decode()
    assert token not in page
    with acme.acting("owner"):
        pk = Invitation.objects.get().pk
    assert token not in owner.get(f"{LIST}{pk}/change/").content.decode()


def test_several_addresses_each_have_their_outcome(owner: Client, acme: Tenant, mailoutbox: list[Any]) -> None:
    response = invite(owner, acme, "a@example.org\nviewer@acme.example, b@example.org; a@example.org")

    page = response.content.decode()
    assert response.status_code == 422
    assert "2 sent, 1 not:" in page
    assert "Already a member. Change their role on their page under Members." in page
    assert addresses(acme) == {"a@example.org": "pending", "b@example.org": "pending"}
    assert sorted(mail.to[0] for mail in mailoutbox) == ["a@example.org", "b@example.org"]
    assert ">viewer@acme.example</textarea>" in re.sub(r"\s*\n\s*", "", page)


def test_a_wrong_address_or_too_many_invite_nobody(owner: Client, acme: Tenant, mailoutbox: list[Any]) -> None:
    many = "\n".join(f"p{number}@example.org" for number in range(51))

    assert "Not an e-mail address: nonsense." in invite(owner, acme, "a@example.org nonsense").content.decode()
    assert "These are 51 addresses." in invite(owner, acme, many).content.decode()
    assert "Write at least one" in invite(owner, acme, " , ").content.decode()
    assert addresses(acme) == {}
    assert mailoutbox == []


def test_nobody_is_invited_above_ones_own_role(admin: Client, acme: Tenant, mailoutbox: list[Any]) -> None:
    response = invite(admin, acme, "a@example.org\nb@example.org", role="owner")

    assert response.status_code == 422
    assert "You cannot invite somebody as Owner" in response.content.decode()
    assert addresses(acme) == {}
    assert mailoutbox == []


def test_a_project_and_the_role_in_it_come_together(owner: Client, acme: Tenant, mailoutbox: list[Any]) -> None:
    with acme.acting("owner"):
        role = acme.role("admin").pk
    half = invite(owner, acme, "a@example.org", project=str(acme.project.pk))
    assert "Choose both a project and the role in it" in half.content.decode()

    whole = invite(owner, acme, "a@example.org", project=str(acme.project.pk), project_role=str(role))
    assert "Admin in Chatbot" in whole.content.decode()
    assert len(mailoutbox) == 1


def test_the_form_offers_projects_that_one_manages(owner: Client, acme: Tenant) -> None:
    with acme.acting("owner"):
        make_project(acme, "evals")

    assert ">Evals</option>" in owner.get(INVITE).content.decode()


def test_resending_makes_a_new_link(owner: Client, rows: Furniture, mailoutbox: list[Any]) -> None:
    url = f"{LIST}{rows.invitation}/resend/"

    assert "The old link stops working." in owner.get(url).content.decode()
    assert mailoutbox == []
    page = owner.post(url, follow=True).content.decode()
    assert "A new link was sent to guest@example.org." in page
    (mail,) = mailoutbox
    assert rows.token not in mail.body


def test_revoking_closes_it(owner: Client, rows: Furniture) -> None:
    owner.post(f"{LIST}{rows.invitation}/revoke/", {"reason": "wrong person"})

    assert addresses(rows.tenant) == {"guest@example.org": "revoked"}
    page = owner.get(LIST).content.decode()
    assert "Revoked" in page
    assert "/resend/" not in page
    before = state(rows.tenant)
    response = owner.post(f"{LIST}{rows.invitation}/resend/", follow=True)
    assert "is not possible any more" in response.content.decode()
    assert state(rows.tenant) == before


@pytest.mark.unattributed
def test_the_list_is_filtered_by_state(owner: Client, acme: Tenant) -> None:
    for name in ("pending", "expired", "revoked", "accepted"):
        invite(owner, acme, f"{name}@example.org")
    with acme.acting("owner"):
        now = timezone.now()
        record(ACCESS_DENIED, actor=SYSTEM, organization_id=acme.organization.pk)
        Invitation.objects.filter(email="expired@example.org").update(expires_at=now)
        Invitation.objects.filter(email="revoked@example.org").update(revoked_at=now)
        Invitation.objects.filter(email="accepted@example.org").update(accepted_at=now)

    for wanted in ("pending", "expired", "revoked", "accepted"):
        page = owner.get(LIST, {"state": wanted}).content.decode()
        for name in ("pending", "expired", "revoked", "accepted"):
            assert (f"{name}@example.org" in page) is (name == wanted)


def test_an_empty_list_says_what_to_do(owner: Client, acme: Tenant) -> None:
    page = owner.get(LIST).content.decode()

    assert "Nobody has been invited yet" in page
    assert "Invite people by e-mail" in page


def test_an_invitation_into_a_project_is_handled_by_the_organization(
    admin: Client, owner: Client, acme: Tenant
) -> None:
    with acme.acting("owner") as actor:
        role = acme.role("viewer")
        for name, key in (("admin", "viewer"), ("viewer", "admin")):
            set_project_role(membership=acme.membership(name), project=acme.project, role=acme.role(key), actor=actor)
    invite(owner, acme, "a@example.org", project=str(acme.project.pk), project_role=str(role.pk))
    with acme.acting("owner"):
        url = f"{LIST}{Invitation.objects.get().pk}/revoke/"

    assert signed_in(acme.viewer).post(url, {"reason": ""}).status_code == 403
    assert admin.post(url, {"reason": ""}).status_code == 302
    assert addresses(acme) == {"a@example.org": "revoked"}
