"""An organization ends what of a member's sessions reaches it: from then on it takes a new sign-in."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import SessionEnd
from accounts.services.sessions import end_member_sessions
from accounts.sessions.ended import ended_in, is_ended
from isolation.exceptions import DomainError, MissingPermission
from isolation.scope import tenant_scope
from tenants.services.members import remove_member
from tests.accounts.sessions.stage import is_signed_in, sign_in
from tests.api.calls import Caller, by
from tests.people import Tenant, signed_in
from tests.sso.stage import Sso
from tests.sso.test_strangers import join
from tests.tenants.stage import events

pytestmark = pytest.mark.django_db


def end(tenant: Tenant, name: str, *, by_role: str = "owner") -> None:
    """Let somebody of the organization end a member's sessions."""
    with tenant.acting(by_role) as actor:
        end_member_sessions(membership=tenant.membership(name), actor=actor)


def page_of(tenant: Tenant, name: str) -> str:
    """Return the address of the console's action."""
    with tenant_scope(tenant.organization):
        pk = tenant.membership(name).pk
    return f"/o/{tenant.organization.slug}/tenants/membership/{pk}/end-sessions/"


def path_of(tenant: Tenant, name: str) -> str:
    """Return the address of the API's operation."""
    with tenant_scope(tenant.organization):
        pk = tenant.membership(name).pk
    return f"/organizations/{tenant.organization.slug}/members/{pk}/end-sessions"


def test_another_organizations_owner_cannot(acme: Tenant, globex: Tenant) -> None:
    member = sign_in(acme.member)
    with tenant_scope(acme.organization):
        pk = acme.membership("member").pk
    stranger = by(globex.owner)
    assert stranger.post(path_of(acme, "member")).status_code == 404
    assert stranger.post(f"/organizations/globex/members/{pk}/end-sessions").status_code == 404
    console = signed_in(globex.owner)
    assert console.post(page_of(acme, "member")).status_code == 404
    assert console.post(f"/o/globex/tenants/membership/{pk}/end-sessions/").status_code in {302, 404}
    assert member.get("/o/acme/").status_code == 200
    with tenant_scope(acme.organization):
        assert not SessionEnd.objects.exists()


@pytest.mark.parametrize("role", ["member", "viewer", "auditor", "none"])
def test_it_takes_the_permission(acme: Tenant, role: str) -> None:
    with pytest.raises(MissingPermission):
        end(acme, "member", by_role=role)
    assert by(acme.people[role]).post(path_of(acme, "member")).status_code == 403
    assert signed_in(acme.people[role]).post(page_of(acme, "member")).status_code == 403


def test_nobody_ends_the_sessions_of_who_is_above_them(acme: Tenant) -> None:
    owner = sign_in(acme.owner)
    with pytest.raises(DomainError, match="You cannot end the sessions of somebody with the role Owner"):
        end(acme, "owner", by_role="admin")
    assert by(acme.admin).post(path_of(acme, "owner")).json()["code"] == "above_own_permissions"
    assert owner.get("/o/acme/").status_code == 200


def test_sessions_of_before_are_led_to_sign_in_again(acme: Tenant) -> None:
    client = sign_in(acme.member)
    response = signed_in(acme.owner).post(page_of(acme, "member"), {"reason": "Lost laptop"}, follow=True)
    assert "have ended in this organization" in response.content.decode()
    refused = client.get("/o/acme/tenants/project/", follow=True)
    assert refused.redirect_chain == [("/accounts/login/?next=%2Fo%2Facme%2Ftenants%2Fproject%2F", 302)]
    assert "Your sessions in Acme were ended. Sign in again to go on." in refused.content.decode()
    assert not is_signed_in(client)

    sign_in(acme.member, client)
    assert client.get("/o/acme/").status_code == 200
    (event,) = events(acme, "member.sessions_ended")
    assert (event.actor_id, event.target_label, event.reason) == (acme.owner.pk, acme.member.email, "Lost laptop")


def test_the_api_refuses_them_as_well(acme: Tenant) -> None:
    before = Caller(sign_in(acme.member))
    assert by(acme.owner).post(path_of(acme, "member")).status_code == 204
    refused = before.get("/organizations/acme")
    assert refused.status_code == 401
    assert "sessions in this organization were ended" in refused.json()["detail"]
    assert before.get("/me").status_code == 200, "it reaches everything else"
    assert Caller(sign_in(acme.member)).get("/organizations/acme").status_code == 200


def test_other_organizations_are_none_of_its_business(acme: Tenant, globex: Tenant) -> None:
    join(globex, acme.member)
    client = sign_in(acme.member)
    end(acme, "member")
    assert client.get("/o/globex/").status_code == 200
    assert Caller(client).get("/organizations/globex").status_code == 200
    assert client.get("/o/acme/").status_code == 302


def test_others_of_the_organization_stay(acme: Tenant) -> None:
    viewer = sign_in(acme.viewer)
    end(acme, "member")
    assert viewer.get("/o/acme/").status_code == 200


def test_a_confined_session_ends_and_single_sign_on_opens_the_next(sso: Sso) -> None:
    confined = sso.sign_in().browser
    assert confined.get("/o/acme/").status_code == 200
    end(sso.tenant, "member")
    assert confined.get("/o/acme/").status_code == 302
    assert sso.sign_in().browser.get("/o/acme/").status_code == 200


def test_it_can_be_done_again(acme: Tenant) -> None:
    end(acme, "member")
    client = sign_in(acme.member)
    end(acme, "member")
    assert client.get("/o/acme/").status_code == 302
    with tenant_scope(acme.organization):
        assert SessionEnd.objects.count() == 1


def test_what_is_asked_about_another_organization_is_nothing(acme: Tenant, globex: Tenant) -> None:
    end(acme, "member")
    with tenant_scope(globex.organization):
        assert ended_in(acme.organization.pk, acme.member.pk) is None
    with tenant_scope(acme.organization):
        ended_at = ended_in(acme.organization.pk, acme.member.pk)
        assert ended_at is not None
        assert ended_in(acme.organization.pk, acme.viewer.pk) is None
    assert is_ended(None, ended_at)
    assert is_ended(ended_at, ended_at)
    assert not is_ended(ended_at, None)


def test_entering_costs_no_query_more(acme: Tenant) -> None:
    """The console asks with the organization's own query, the API with one."""
    client = sign_in(acme.member)
    client.get("/o/acme/")
    with CaptureQueriesContext(connection) as captured:
        client.get("/o/acme/")
    assert len([query for query in captured if "accounts_sessionend" in query["sql"]]) == 1
    (asked,) = [query["sql"] for query in captured if "accounts_sessionend" in query["sql"]]
    assert 'FROM "tenants_organization"' in asked


def test_a_person_who_leaves_takes_the_mark_along(acme: Tenant) -> None:
    end(acme, "member")
    with acme.acting("owner") as actor:
        remove_member(membership=acme.membership("member"), actor=actor)
        assert not SessionEnd.objects.exists()
