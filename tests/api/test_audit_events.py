"""The audit log by API: what each may read, every filter, and the export."""

import csv
import json
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest

from accounts.models import User
from audit.models import Event
from isolation.actor import SYSTEM
from isolation.scope import tenant_scope
from tenants.services.exceptions import grant_to_member
from tests.accounts.api.stage import make_key, with_key
from tests.api.calls import by
from tests.people import Tenant, make_project
from tests.tenants.stage import events

LOG = "/organizations/acme/audit-events"


def test_a_stranger_reads_nothing(acme: Tenant, stranger: User) -> None:
    event = events(acme)[0]
    caller = by(stranger)
    for path in (LOG, f"{LOG}/{event.pk}", f"{LOG}/export?format=csv"):
        assert caller.get(path).status_code == 404
    assert caller.get(f"/organizations/globex/audit-events/{event.pk}").status_code == 404


def test_the_newest_come_first_and_each_has_an_address(acme: Tenant) -> None:
    caller = by(acme.auditor)
    rows = caller.get(LOG).json()["data"]
    assert [row["id"] for row in rows] == [str(event.pk) for event in events(acme)][::-1][:50]
    assert caller.get(f"{LOG}/{rows[0]['id']}").json() == rows[0]


def test_who_may_read_one_projects_log_reads_that_alone(acme: Tenant) -> None:
    with tenant_scope(acme.organization):
        make_project(acme, "judge")
        viewer = acme.membership("viewer")
        grant_to_member(project=acme.project, membership=viewer, permission="audit_log:read", actor=SYSTEM)
    rows = by(acme.viewer).get(LOG).json()["data"]
    assert {row["project_label"] for row in rows} == {"Chatbot"}
    assert by(acme.viewer).get(f"{LOG}/export?format=csv").json()["permission"] == "audit_log:export"
    assert by(acme.member).get(LOG).status_code == 403
    key = with_key(make_key(acme, "audit_log:read").secret)
    assert {row["project_label"] for row in key.get(LOG).json()["data"]} == {"Chatbot"}


def test_every_filter(acme: Tenant) -> None:
    refused = by(acme.viewer).post("/organizations/acme/projects", {"slug": "a", "name": "A"}).json()
    denied = events(acme, "access.denied")[-1]
    filters = {
        "since": (denied.time - timedelta(microseconds=1)).isoformat(),
        "until": (denied.time + timedelta(microseconds=1)).isoformat(),
        "actor": "Viewer@",
        "actor_id": str(acme.viewer.pk),
        "action": "access.denied",
        "target": "Acme",
        "outcome": "denied",
        "request_id": refused["request_id"],
    }
    caller = by(acme.owner)
    for name, value in filters.items():
        rows = caller.get(f"{LOG}?{name}={quote(value)}").json()["data"]
        assert str(denied.pk) in {row["id"] for row in rows}, name
    query = "&".join(f"{name}={quote(value)}" for name, value in filters.items())
    (row,) = caller.get(f"{LOG}?{query}").json()["data"]
    assert row["after"] == {"permission": "projects:create"}
    in_project = caller.get(f"{LOG}?project={acme.project.pk}&action=project.*").json()["data"]
    assert [row["action"] for row in in_project] == ["project.created"]


@pytest.mark.parametrize("query", ["action=no.such", "since=yesterday", "outcome=x", "actor_id=1", "project=chatbot"])
def test_a_filter_that_makes_no_sense(query: str, acme: Tenant) -> None:
    response = by(acme.owner).get(f"{LOG}?{query}")
    assert (response.status_code, response.json()["errors"][0]["parameter"]) == (400, query.partition("=")[0])
    backwards = by(acme.owner).get(f"{LOG}?since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z")
    assert backwards.json()["errors"][0]["parameter"] == "until"


def test_the_export_is_a_file_and_an_event(acme: Tenant) -> None:
    caller = by(acme.auditor)
    number = len(events(acme))
    response: Any = caller.get(f"{LOG}/export?format=jsonl")
    lines = [json.loads(line) for line in response.getvalue().decode().splitlines()]
    assert len(lines) == number
    assert response["Content-Type"] == "application/x-ndjson"
    assert 'filename="audit-log-acme-' in response["Content-Disposition"]
    (told,) = events(acme, "audit_log.exported")
    assert (told.via, told.after["events"], told.after["format"]) == ("api", number, "jsonl")
    response = by(acme.auditor).get(f"{LOG}/export?format=csv&action=member.*")
    rows = list(csv.DictReader(response.getvalue().decode().splitlines()))
    with tenant_scope(acme.organization):
        assert len(rows) == Event.objects.filter(action__startswith="member.").count() > 0
    assert by(acme.owner).get(f"{LOG}/export").json()["errors"][0]["parameter"] == "format"
    assert by(acme.owner).get(f"{LOG}/export?format=html").status_code == 400
