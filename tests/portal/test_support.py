"""An operator's visit to an organization."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from audit.models import Event
from isolation.scope import tenant_scope
from tests.people import Tenant, signed_in

pytestmark = pytest.mark.django_db
REASON = "Ticket 4711: invitations do not arrive"


def events(tenant: Tenant, prefix: str = "support.") -> list[Event]:
    with tenant_scope(tenant.organization):
        return list(Event.objects.filter(action__startswith=prefix).order_by("time"))


@pytest.fixture
def enter(acme: Tenant) -> str:
    return f"/admin/support/{acme.organization.pk}/"


def test_a_stranger_cannot_visit(acme: Tenant, stranger: User, enter: str) -> None:
    client = signed_in(stranger)
    for response in (client.get(enter), client.post(enter, {"reason": REASON}), client.post(f"{enter}leave/")):
        assert response.status_code == 403
        assert "For operators only" in response.text
    assert client.get("/o/acme/").status_code == 404
    assert not events(acme)


def test_not_even_the_owner_visits_like_an_operator(acme: Tenant, enter: str) -> None:
    assert signed_in(acme.owner).post(enter, {"reason": REASON}).status_code == 403


def test_signed_out_leads_to_sign_in(enter: str) -> None:
    assert Client().get(enter)["Location"].startswith("/accounts/login/?next=")


def test_an_operator_is_outside_without_a_visit(acme: Tenant, operator: User) -> None:
    assert signed_in(operator).get("/o/acme/").status_code == 404


def test_a_visit_needs_a_reason(acme: Tenant, operator: User, enter: str) -> None:
    client = signed_in(operator)
    assert "Enter Acme for support" in client.get(enter).text
    for reason in ("", "   "):
        assert client.post(enter, {"reason": reason}).context["form"].errors
    assert client.get("/o/acme/").status_code == 404
    assert not events(acme)


def test_a_visit_is_in_the_organizations_log(acme: Tenant, operator: User, enter: str) -> None:
    client = signed_in(operator)
    assert client.post(enter, {"reason": REASON})["Location"] == "/o/acme/"
    (event,) = events(acme)
    assert event.action == "support.entered"
    assert event.reason == REASON
    assert (event.actor_kind, event.actor_id) == ("operator", operator.pk)
    page = client.get("/o/acme/")
    assert page.status_code == 200
    assert REASON in page.text
    assert f"{enter}leave/" in page.text


def test_leaving_ends_it_and_is_recorded_once(acme: Tenant, operator: User, enter: str) -> None:
    client = signed_in(operator)
    client.post(enter, {"reason": REASON})
    assert client.get(f"{enter}leave/").status_code == 405
    assert client.post(f"{enter}leave/")["Location"] == "/admin/"
    assert client.post(f"{enter}leave/")["Location"] == "/admin/"
    assert [event.action for event in events(acme)] == ["support.entered", "support.left"]
    assert client.get("/o/acme/").status_code == 404


def test_a_visit_ends_by_itself(acme: Tenant, operator: User, enter: str, monkeypatch: pytest.MonkeyPatch) -> None:
    client = signed_in(operator)
    client.post(enter, {"reason": REASON})
    later = timezone.now() + timedelta(hours=1, seconds=1)
    monkeypatch.setattr("portal.support.timezone.now", lambda: later)
    assert client.get("/o/acme/").status_code == 404


def test_a_visit_opens_one_organization_only(acme: Tenant, globex: Tenant, operator: User, enter: str) -> None:
    client = signed_in(operator)
    client.post(enter, {"reason": REASON})
    assert client.get("/o/globex/").status_code == 404
    assert not events(globex)


def test_somebody_who_stopped_being_operator_is_out(acme: Tenant, operator: User, enter: str, superuser) -> None:
    client = signed_in(operator)
    client.post(enter, {"reason": REASON})
    superuser.execute("SET session_replication_role = replica")
    superuser.execute("UPDATE accounts_user SET is_operator = false WHERE id = %s", [operator.pk])
    assert client.get("/o/acme/").status_code == 404


def test_an_organization_that_does_not_exist(operator: User) -> None:
    client = signed_in(operator)
    assert client.get("/admin/support/00000000-0000-4000-8000-000000000000/").status_code == 404
    assert client.post("/admin/support/00000000-0000-4000-8000-000000000000/", {"reason": "x"}).status_code == 404
