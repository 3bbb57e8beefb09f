"""GET /api/v1/me."""

from django.test import Client

from accounts.models import User
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
