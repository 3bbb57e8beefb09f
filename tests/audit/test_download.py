"""The export: whose events leave, in which form, and what the log says about it."""

import csv
import io
import json
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from audit import download
from audit.formats.record import COLUMNS
from audit.models import Event
from isolation import context
from isolation.actor import SYSTEM
from isolation.scope import operator_scope, tenant_scope
from tenants.permissions import BuiltinRole
from tenants.services.exceptions import grant_to_member
from tenants.services.members import set_project_role
from tests.audit.events import write, write_many
from tests.people import Tenant, signed_in

EXPORT = "/o/acme/audit/export/"
OPERATOR_EXPORT = "/admin/audit/export/"


def text_of(response: Any) -> str:
    """Return what was downloaded; it is read after the request's scope has ended, as a browser does."""
    assert response.status_code == 200, response.status_code
    assert response.streaming
    assert context.current_organization_id() is None
    return b"".join(response.streaming_content).decode()


def objects(client: Client, url: str) -> list[dict[str, Any]]:
    """Return the exported events."""
    return [json.loads(line) for line in text_of(client.post(url, {"format": "jsonl"})).splitlines()]


def exports_recorded(tenant: Tenant) -> list[Event]:
    """Return the events that tell of exports of the organization."""
    with tenant_scope(tenant.organization):
        return list(Event.objects.filter(action="audit_log.exported"))


def test_the_export_of_another_organization_is_impossible(acme: Tenant, globex: Tenant) -> None:
    write(globex.organization.pk, target_label="secret of globex")
    client = signed_in(acme.owner)

    assert client.post("/o/globex/audit/export/", {"format": "csv"}).status_code == 404
    for query in (f"?organization={globex.organization.slug}", f"?project={globex.project.pk}", "?log=installation"):
        assert "secret of globex" not in text_of(client.post(f"{EXPORT}{query}", {"format": "jsonl"}))
    assert client.post(OPERATOR_EXPORT, {"format": "csv"}).status_code == 403


@pytest.mark.parametrize("who", ["owner", "admin", "auditor"])
def test_it_is_exported_by(acme: Tenant, who: str) -> None:
    client = signed_in(acme.people[who])

    assert client.get(EXPORT).status_code == 200
    assert objects(client, EXPORT)


def test_reading_alone_does_not_export(acme: Tenant, operator: User) -> None:
    with acme.acting("owner") as actor:
        grant_to_member(
            project=acme.project, membership=acme.membership("member"), permission="audit_log:read", actor=actor
        )
    client = signed_in(acme.member)

    assert EXPORT.encode() not in client.get("/o/acme/audit/").content
    assert client.post(EXPORT, {"format": "csv"}).status_code == 403
    assert exports_recorded(acme) == []


def test_a_role_in_one_project_exports_that_project_only(acme: Tenant) -> None:
    with acme.acting("owner") as actor:
        role = acme.role(BuiltinRole.AUDITOR)
        set_project_role(membership=acme.membership("viewer"), project=acme.project, role=role, actor=actor)
    write(acme.organization.pk, target_label="of the organization")

    projects = {event["project_id"] for event in objects(signed_in(acme.viewer), EXPORT)}
    assert projects == {str(acme.project.pk)}


def test_a_visit_changes_and_exports_nothing_by_get(acme: Tenant) -> None:
    page = signed_in(acme.owner).get(f"{EXPORT}?format=csv")

    assert not page.streaming
    assert exports_recorded(acme) == []


def test_json_lines_hold_the_whole_event_and_keep_the_filter(acme: Tenant) -> None:
    values = {"before": {"role": "Viewer"}, "after": {"role": "Admin"}, "ip": "192.0.2.7", "reason": "“why”\nline"}
    event = write(acme.organization.pk, action="role.updated", **values)
    write(acme.organization.pk, action="role.deleted")
    (exported,) = objects(signed_in(acme.owner), f"{EXPORT}?action=role.updated")

    assert exported["id"] == str(event.pk)
    assert exported["time"] == event.time.isoformat()
    assert {name: exported[name] for name in values} == values
    assert tuple(exported) == COLUMNS


def test_csv_cells_are_never_formulas(acme: Tenant) -> None:
    nasty = ["=HYPERLINK(1)", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", '="a",b\n=c', "\uff1d1"]
    for text in nasty:
        write(acme.organization.pk, action="role.updated", target_label=text, actor_label=text, user_agent=text)
    write(acme.organization.pk, action="role.updated", target_label="plain, with comma", before={"a": "=1"})
    response = signed_in(acme.owner).post(f"{EXPORT}?action=role.updated", {"format": "csv"})
    header, *rows = csv.reader(io.StringIO(text_of(response), newline=""))

    assert tuple(header) == COLUMNS
    assert len(rows) == len(nasty) + 1
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\uff1d"))]
    assert {row[header.index("target_label")] for row in rows} == {f"'{text}" for text in nasty} | {"plain, with comma"}
    assert response["Content-Disposition"].startswith('attachment; filename="audit-log-acme-')
    assert "no-store" in response["Cache-Control"]


def test_the_export_is_recorded_before_it_leaves(acme: Tenant) -> None:
    write_many(acme.organization.pk, 3, action="role.updated")
    response = signed_in(acme.auditor).post(f"{EXPORT}?action=role.updated&outcome=success", {"format": "csv"})
    (event,) = exports_recorded(acme)  # nothing was downloaded yet

    assert event.actor_label == acme.auditor.email
    assert event.after == {
        "format": "csv",
        "events": 3,
        "truncated": False,
        "filter": {"action": "role.updated", "outcome": "success"},
    }
    assert len(text_of(response).splitlines()) == 4


def test_an_export_does_not_hold_its_own_event_nor_later_ones(acme: Tenant) -> None:
    response = signed_in(acme.owner).post(EXPORT, {"format": "jsonl"})
    write(acme.organization.pk, action="role.deleted", target_label="later")

    assert not [line for line in text_of(response).splitlines() if "audit_log.exported" in line or "later" in line]


def test_more_than_fits_is_told_and_the_newest_leave(acme: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "LIMIT", 4)
    write_many(acme.organization.pk, 6, action="role.updated")
    client = signed_in(acme.owner)

    assert b"More than 4 events match" in client.get(f"{EXPORT}?action=role.updated").content
    assert len(objects(client, f"{EXPORT}?action=role.updated")) == 4
    (event,) = exports_recorded(acme)
    assert event.after["truncated"] is True


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8, 20])
def test_batches_are_complete_and_bounded(acme: Tenant, limit: int) -> None:
    write_many(acme.organization.pk, 7, action="role.updated")

    def events() -> Any:
        return Event.objects.filter(action="role.updated")

    def run(work: Any) -> Any:
        with tenant_scope(acme.organization):
            return work()

    lists = list(download.batches(events, run, limit=limit, size=3))
    assert all(0 < len(rows) <= 3 for rows in lists)
    found = [event.pk for rows in lists for event in rows]
    with tenant_scope(acme.organization):
        assert found == list(events().order_by("-time", "-pk").values_list("pk", flat=True)[:limit])


def test_a_filter_that_cannot_be_meant_exports_nothing(acme: Tenant) -> None:
    response = signed_in(acme.owner).post(f"{EXPORT}?action=no.such", {"format": "csv"})

    assert response.status_code == 422
    assert exports_recorded(acme) == []


def test_operators_export_one_log_and_that_log_tells_it(acme: Tenant, globex: Tenant, operator: User) -> None:
    write(acme.organization.pk, target_label="of acme")
    write(globex.organization.pk, target_label="of globex")
    client = signed_in(operator)
    exported = objects(client, f"{OPERATOR_EXPORT}?organization=acme")

    assert {event["organization_id"] for event in exported} == {str(acme.organization.pk)}
    (event,) = exports_recorded(acme)
    assert (event.actor_kind, event.actor_label) == ("operator", operator.email)
    assert exports_recorded(globex) == []


def test_operators_export_everything_and_the_installation_tells_it(
    acme: Tenant, globex: Tenant, operator: User
) -> None:
    exported = objects(signed_in(operator), OPERATOR_EXPORT)

    assert {str(acme.organization.pk), str(globex.organization.pk), None} <= {e["organization_id"] for e in exported}
    assert exports_recorded(acme) == []
    with context.acting_as(SYSTEM), operator_scope("test"):
        assert Event.objects.filter(organization_id=None, action="audit_log.exported").count() == 1
