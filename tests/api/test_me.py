"""GET /api/v1/me."""

from django.test import Client

from accounts.models import User
from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.scope import tenant_scope
from tenants.services.members import change_role
from tests.accounts.api.stage import make_key, organization_key, with_key
from tests.api.calls import by
from tests.people import Tenant, signed_in


def test_nobody_in_particular_is_told_how_to_present_a_key(db: None) -> None:
    response = Client().get("/api/v1/me")
    assert response.status_code == 401
    assert response["Content-Type"] == "application/problem+json"
    assert response["WWW-Authenticate"].startswith("Bearer")
    assert response.json()["code"] == "not_authenticated"
    assert response.json()["request_id"] == response["X-Request-ID"]


def test_a_stranger_learns_of_their_own_organization_only(acme: Tenant, stranger: User) -> None:
    answer = signed_in(stranger).get("/api/v1/me").json()
    assert [one["slug"] for one in answer["organizations"]] == ["globex"]
    assert answer["user"]["email"] == stranger.email


def test_a_key_sees_itself_and_what_it_may_do_where_it_counts(acme: Tenant) -> None:
    issued = make_key(acme, "traces:write", "api_keys:read")
    answer = with_key(issued.secret).get("/me").json()
    assert (answer["kind"], answer["user"], answer["organization"]["slug"]) == ("api_key", None, "acme")
    assert answer["permissions"] == ["api_keys:read", "traces:write"]
    assert answer["key"]["project"]["slug"] == acme.project.slug
    assert (answer["key"]["kind"], answer["key"]["public_id"]) == ("project", issued.public_id)
    assert issued.secret not in str(answer)
    organization = with_key(organization_key(acme, "members:read", name="Provisioning").secret).get("/me").json()
    assert (organization["permissions"], organization["key"]["project"]) == (["members:read"], None)


def test_a_personal_key_names_its_person_and_allows_what_they_may(acme: Tenant) -> None:
    body = {"name": "Laptop", "scopes": ["members:read"]}
    made = by(acme.viewer).post("/organizations/acme/personal-keys", body).json()
    answer = with_key(made["secret"]).get("/me").json()
    assert answer["user"]["email"] == acme.viewer.email
    assert (answer["key"]["kind"], answer["permissions"]) == ("personal", ["members:read"])
    with tenant_scope(acme.organization), acting_as(SYSTEM):
        change_role(membership=acme.membership("viewer"), role=acme.role("none"), actor=SYSTEM)
    assert with_key(made["secret"]).get("/me").json()["permissions"] == []
