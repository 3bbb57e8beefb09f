"""Who was provisioned with an address outside the verified domains: asked once, and in as soon as they say so."""

from typing import Any

import pytest

from accounts.models import ProvisionedUser, User
from accounts.services.users import person
from accounts.tasks import settle_everybody_waiting
from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.scope import tenant_scope
from tenants.models import Invitation, Membership
from tenants.services.domains import confirm_domain
from tenants.services.installation import update_installation_settings
from tenants.services.invitations import accept_invitation
from tests.people import Tenant, make_user
from tests.scim.held import groups, is_member
from tests.scim.stage import Scim, operation, where
from tests.tenants.stage import events

ELSEWHERE = "elsewhere.example"
EVE = f"eve@{ELSEWHERE}"


def invitations(acme: Tenant) -> list[Invitation]:
    with tenant_scope(acme.organization):
        return list(Invitation.objects.filter(accepted_at=None, revoked_at=None).order_by("created_at"))


def accepted(acme: Tenant, user: User) -> None:
    (invitation,) = invitations(acme)
    accept_invitation(organization_id=acme.organization.pk, invitation_id=invitation.pk, user=user, actor=person(user))


def allow_invitations(number: int) -> None:
    update_installation_settings(actor=SYSTEM, invitations_per_day=number)


def test_they_are_invited_once(acme: Tenant, scim: Scim, mailoutbox: list[Any]) -> None:
    scim.user("eve", domain=ELSEWHERE)
    assert settle_everybody_waiting() == 1
    assert [mail.to for mail in mailoutbox] == [[EVE]]
    assert settle_everybody_waiting() == 0
    assert len(mailoutbox) == 1
    assert not is_member(acme, EVE)
    (event,) = events(acme, "invitation.sent")
    assert event.actor_kind == "scim_connection"


def test_accepting_brings_them_into_their_groups(acme: Tenant, scim: Scim) -> None:
    eve = scim.user("eve", domain=ELSEWHERE)
    scim.group("Engineers", eve)
    settle_everybody_waiting()
    assert groups(acme)["Engineers"] == set()
    accepted(acme, make_user(EVE))
    assert is_member(acme, EVE)
    assert groups(acme)["Engineers"] == {EVE}
    assert scim.read(eve)["id"] == eve["id"]
    scim.change(eve, operation("replace", "active", value=False))
    assert not is_member(acme, EVE)


def test_a_domain_that_is_verified_later_lets_those_in_who_wait(acme: Tenant, scim: Scim) -> None:
    scim.user("eve", domain=ELSEWHERE)
    scim.user("sub", domain=f"sub.{ELSEWHERE}")
    settle_everybody_waiting()
    with tenant_scope(acme.organization), acting_as(SYSTEM):
        confirm_domain(organization=acme.organization, name=ELSEWHERE, reason="Known to us", actor=SYSTEM)
    assert is_member(acme, EVE)
    assert not is_member(acme, f"sub@sub.{ELSEWHERE}")


def test_many_who_were_invited_keep_nobody_from_an_invitation(
    acme: Tenant, scim: Scim, monkeypatch: pytest.MonkeyPatch, mailoutbox: list[Any]
) -> None:
    monkeypatch.setattr("accounts.tasks.WAITING_BATCH", 2)
    for number in range(5):
        scim.user(f"eve{number}", domain=ELSEWHERE)
    for _ in range(3):
        settle_everybody_waiting()
    assert sorted(mail.to[0] for mail in mailoutbox) == [f"eve{number}@{ELSEWHERE}" for number in range(5)]


def test_no_more_mails_than_a_day_allows(acme: Tenant, scim: Scim, mailoutbox: list[Any]) -> None:
    allow_invitations(1)
    scim.user("eve", domain=ELSEWHERE)
    scim.user("mallory", domain=ELSEWHERE)
    settle_everybody_waiting()
    settle_everybody_waiting()
    assert len(mailoutbox) == 1
    allow_invitations(2)
    settle_everybody_waiting()
    assert len(mailoutbox) == 2


@pytest.mark.parametrize("how", ["deactivate", "delete", "rename"])
def test_their_invitation_ends_with_what_it_was_for(acme: Tenant, scim: Scim, how: str) -> None:
    eve = scim.user("eve", domain=ELSEWHERE)
    settle_everybody_waiting()
    match how:
        case "deactivate":
            scim.change(eve, operation("replace", "active", value=False))
        case "delete":
            assert scim.delete(where(eve)).status == 204
        case _:
            scim.change(eve, operation("replace", 'emails[type eq "work"].value', f"eva@{ELSEWHERE}"))
    assert invitations(acme) == []


def test_two_users_with_one_address_do_no_harm(acme: Tenant, scim: Scim) -> None:
    first = scim.user("eve", domain=ELSEWHERE)
    scim.user("twin", domain=ELSEWHERE, emails=[{"value": EVE, "primary": True}])
    settle_everybody_waiting()
    accepted(acme, make_user(EVE))
    with tenant_scope(acme.organization):
        assert Membership.objects.filter(user__email=EVE).count() == 1
        assert str(ProvisionedUser.objects.get(membership__user__email=EVE).pk) == first["id"]
    scim.change(first, operation("replace", "active", value=False))
    scim.change(first, operation("replace", "active", value=True))
    assert is_member(acme, EVE)
    settle_everybody_waiting()


def test_another_organization_is_not_looked_at(acme: Tenant, scim: Scim, other_scim: Scim) -> None:
    other_scim.user("hal", domain=ELSEWHERE)
    assert settle_everybody_waiting() == 1
    assert invitations(acme) == []
