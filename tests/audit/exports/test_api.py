"""Evidence exports by API."""

import json

import pytest

from audit.tasks import make_export
from tenants.permissions import BuiltinRole
from tenants.services.members import set_project_role
from tests.accounts.api.stage import organization_key, with_key
from tests.api.calls import by
from tests.audit.exports.stage import export_of, sealed, stored, verified
from tests.people import Tenant
from tests.tenants.stage import events

EXPORTS = "/organizations/acme/audit/exports"


def test_those_of_another_organization_do_not_exist(acme: Tenant, globex: Tenant) -> None:
    sealed(globex.organization.pk)
    export = export_of(globex.organization.pk, "ndjson")
    caller = by(acme.owner)

    assert caller.get(f"/organizations/globex/audit/exports/{export.pk}").status_code == 404
    for call in (caller.get, caller.delete):
        assert call(f"{EXPORTS}/{export.pk}").status_code == 404
    assert caller.get(f"{EXPORTS}/{export.pk}/file").status_code == 404
    assert caller.get(EXPORTS).json()["data"] == []
    assert stored(export).is_completed


def test_a_key_asks_watches_takes_and_deletes(acme: Tenant, tmp_path) -> None:
    sealed(acme.organization.pk)
    caller = with_key(organization_key(acme, "audit_log:export", name="Archive").secret)
    asked = caller.post(EXPORTS, {"format": "package", "days": 1, "reason": "Nightly"})

    assert asked.status_code == 201, asked.json()
    pk = asked.json()["id"]
    answer = caller.get(f"{EXPORTS}/{pk}").json()
    assert (answer["state"], answer["percent"], answer["days"]) == ("completed", 100, 1)
    assert "file_key" not in answer
    response = caller.get(f"{EXPORTS}/{pk}/file")
    path = tmp_path / "package.zip"
    path.write_bytes(response.getvalue())
    assert response["Content-Type"] == "application/zip"
    assert path.stat().st_size == answer["size"]
    assert verified(path).status == 0
    assert [row["id"] for row in caller.get(f"{EXPORTS}?state=completed").json()["data"]] == [pk]
    assert caller.delete(f"{EXPORTS}/{pk}").status_code == 204
    assert caller.get(f"{EXPORTS}/{pk}").status_code == 404
    for name in ("requested", "downloaded", "deleted"):
        (event,) = events(acme, f"evidence_export.{name}")
        assert (event.actor_kind, event.via) == ("api_key", "api")


def test_before_it_is_completed_there_is_no_file(acme: Tenant, monkeypatch) -> None:
    monkeypatch.setattr(make_export, "delay", lambda *arguments: None)
    sealed(acme.organization.pk)
    caller = by(acme.auditor)
    pk = caller.post(EXPORTS, {"format": "csv"}).json()["id"]

    answer = caller.get(f"{EXPORTS}/{pk}/file")
    assert (answer.status_code, answer.json()["code"]) == (409, "not_completed")
    assert caller.delete(f"{EXPORTS}/{pk}").status_code == 204
    assert len(events(acme, "evidence_export.canceled")) == 1


def test_a_role_that_takes_one_project_away_finds_none(acme: Tenant) -> None:
    sealed(acme.organization.pk)
    export = export_of(acme.organization.pk, "ndjson")
    with acme.acting("owner") as actor:
        role = acme.role(BuiltinRole.NONE)
        set_project_role(membership=acme.membership("auditor"), project=acme.project, role=role, actor=actor)
    caller = by(acme.auditor)

    assert caller.get(EXPORTS).json()["data"] == []
    assert caller.get(f"{EXPORTS}/{export.pk}").status_code == 404
    assert caller.get(f"{EXPORTS}/{export.pk}/file").status_code == 403
    assert caller.post(EXPORTS, {"format": "csv"}).status_code == 403


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"format": "xml"}, "#/format"),
        ({"format": "csv", "days": 31}, "#/days"),
        ({"format": "csv", "query": "nonsense:x"}, "#/query"),
        ({"format": "csv", "since": "2026-02-01T00:00:00Z", "until": "2026-01-01T00:00:00Z"}, "#/until"),
        ({"format": "csv", "organization_id": "x"}, "#/organization_id"),
    ],
)
def test_mistakes_are_named(acme: Tenant, body: dict[str, object], pointer: str) -> None:
    sealed(acme.organization.pk, (1,))
    answer = by(acme.owner).post(EXPORTS, body)
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert json.dumps(answer.json())
