"""`Idempotency-Key`: once is once, also when two requests come together and when the first one fails."""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from api.models import StoredResponse
from api.tasks import sweep
from isolation.scope import tenant_scope
from tenants.models import Organization
from tests.api.calls import by, fresh_key
from tests.people import Tenant
from tests.tenants.stage import at_once


def test_a_repeated_request_is_answered_and_not_repeated(acme: Tenant) -> None:
    caller, key = by(acme.owner), fresh_key()
    body = {"slug": "initech", "name": "Initech"}
    first = caller.post("/organizations", body, idempotency_key=key)
    second = caller.post("/organizations", body, idempotency_key=key)
    assert (first.status_code, second.status_code) == (201, 201)
    assert second.content == first.content
    assert second["Location"] == first["Location"]
    assert "Idempotent-Replayed" not in first
    assert second["Idempotent-Replayed"] == "true"
    assert caller.post("/organizations", body).json()["code"] == "taken"


def test_a_key_is_of_one_request_one_credential_and_one_organization(acme: Tenant, globex: Tenant) -> None:
    key = fresh_key()
    body = {"slug": "initech", "name": "Initech"}
    assert by(acme.owner).post("/organizations", body, idempotency_key=key).status_code == 201
    other = by(acme.owner).post("/organizations", body | {"name": "Other"}, idempotency_key=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert other.json()["errors"][0]["parameter"] == "Idempotency-Key"
    assert by(globex.owner).post("/organizations", body, idempotency_key=key).json()["code"] == "taken"


def test_what_failed_leaves_no_record_and_may_be_sent_again(acme: Tenant) -> None:
    caller, key = by(acme.owner), fresh_key()
    assert caller.post("/organizations/acme/restore", idempotency_key=key).json()["code"] == "not_scheduled"
    caller.delete("/organizations/acme")
    assert caller.post("/organizations/acme/restore", idempotency_key=key).status_code == 200


def test_somebody_without_the_permission_gets_no_replay(acme: Tenant) -> None:
    key = fresh_key()
    owner = by(acme.owner)
    owner.delete("/organizations/acme")
    assert owner.post("/organizations/acme/restore", idempotency_key=key).status_code == 200
    assert by(acme.viewer).post("/organizations/acme/restore", idempotency_key=key).status_code == 403


def test_two_at_once_make_one(acme: Tenant) -> None:
    body, key = {"slug": "initech", "name": "Initech"}, fresh_key()
    callers = [by(acme.owner), by(acme.owner)]
    responses = at_once(
        *(lambda caller=caller: caller.post("/organizations", body, idempotency_key=key) for caller in callers)
    )
    statuses = sorted(response.status_code for response in responses)
    assert statuses in ([201, 201], [201, 409])
    if statuses == [201, 409]:
        assert {response.json().get("code") for response in responses} == {None, "still_running"}
    with tenant_scope(Organization(pk=responses[0].json().get("id") or responses[1].json()["id"])):
        assert Organization.objects.count() == 1


@pytest.mark.parametrize("key", ["", "a b", "ä", "x" * 256])
def test_a_malformed_key_is_refused(key: str, acme: Tenant) -> None:
    response = by(acme.owner).post("/organizations", {"slug": "initech", "name": "I"}, idempotency_key=key)
    assert (response.status_code, response.json()["code"]) == (400, "invalid_idempotency_key")


def test_the_stored_response_is_encrypted(acme: Tenant, superuser) -> None:
    caller = by(acme.owner)
    caller.delete("/organizations/acme")
    caller.post("/organizations/acme/restore", idempotency_key=fresh_key())
    ((body,),) = superuser.execute("SELECT body FROM api_storedresponse").fetchall()
    assert b"acme" not in bytes(body)
    with tenant_scope(acme.organization):
        assert "acme" in StoredResponse.objects.get().body.reveal()


def test_after_a_day_a_key_is_forgotten(acme: Tenant, superuser) -> None:
    caller, key = by(acme.owner), fresh_key()
    caller.delete("/organizations/acme")
    assert caller.post("/organizations/acme/restore", idempotency_key=key).status_code == 200
    assert sweep() == 0
    superuser.execute("UPDATE api_storedresponse SET created_at = %s", [timezone.now() - timedelta(hours=25)])
    again = caller.post("/organizations/acme/restore", idempotency_key=key)
    assert again.json()["code"] == "not_scheduled"
    assert sweep() == 1
    assert superuser.execute("SELECT count(*) FROM api_storedresponse").fetchone() == (0,)


def test_the_sweep_leaves_what_counts(acme: Tenant) -> None:
    by(acme.owner).get("/me")
    sweep()
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM api_rate")
        assert cursor.fetchone() == (1,)
