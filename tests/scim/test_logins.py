"""What provisioning does to logins: one that nobody proved is taken, a proven one follows."""

from allauth.account.models import EmailAddress

from accounts.models import User
from accounts.services.users import create_user
from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.scope import tenant_scope
from tenants.models import Membership, Source
from tenants.services.groups import create_group
from tenants.services.members import add_member
from tests.people import Tenant, make_user
from tests.scim.stage import Scim, operation, refused


def user_of(email: str) -> User:
    found: User = User.objects.get(email=email)
    return found


def test_a_login_that_nobody_proved_is_taken(acme: Tenant, scim: Scim) -> None:
    squatter = create_user(
        email="grace@acme.example", name="Squatter", password="squatters own 1", verified=False, actor=SYSTEM
    )
    EmailAddress.objects.create(user=squatter, email="squatter@evil.example", verified=True, primary=False)
    scim.user("grace")
    taken = user_of("grace@acme.example")
    assert taken.pk == squatter.pk
    assert not taken.has_usable_password()
    addresses = EmailAddress.objects.filter(user=taken).values_list("email", "verified")
    assert list(addresses) == [("grace@acme.example", True)]


def test_a_proven_login_keeps_its_password(acme: Tenant, scim: Scim) -> None:
    owner = make_user("grace@acme.example")
    usable = owner.has_usable_password()
    scim.user("grace")
    assert user_of("grace@acme.example").has_usable_password() == usable
    with tenant_scope(acme.organization):
        assert Membership.objects.filter(user=owner, source=Source.SCIM).exists()


def test_a_login_follows_name_and_address(acme: Tenant, scim: Scim) -> None:
    grace = scim.user("grace")
    assert scim.change(grace, operation("replace", "displayName", "Amazing Grace")).status == 200
    assert user_of("grace@acme.example").name == "Amazing Grace"
    assert scim.change(grace, operation("replace", 'emails[type eq "work"].value', "hopper@acme.example")).status == 200
    assert user_of("hopper@acme.example").name == "Amazing Grace"
    assert scim.change(grace, operation("replace", 'emails[type eq "work"].value', "hopper@evil.example")).status == 200
    assert User.objects.filter(email="hopper@acme.example").exists()
    assert not User.objects.filter(email="hopper@evil.example").exists()


def test_a_login_of_two_organizations_follows_nobody(acme: Tenant, globex: Tenant, scim: Scim) -> None:
    grace = scim.user("grace")
    login = user_of("grace@acme.example")
    was = login.name
    with tenant_scope(globex.organization), acting_as(SYSTEM):
        add_member(
            organization=globex.organization, user=login, role=globex.role("viewer"), source=Source.MANUAL, actor=SYSTEM
        )
    assert scim.change(grace, operation("replace", "displayName", "Amazing Grace")).status == 200
    assert user_of("grace@acme.example").name == was


def test_a_group_made_by_hand_is_not_taken_by_its_name(acme: Tenant, scim: Scim) -> None:
    with tenant_scope(acme.organization), acting_as(SYSTEM):
        create_group(organization=acme.organization, name="Admins", source=Source.MANUAL, actor=SYSTEM)
    refused(scim.post("/Groups", {"displayName": "admins"}), 409, "uniqueness")
