"""Evidence exports in both consoles: who sees them, asks for them, takes them; progress; operators with a reason."""

import json
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import User
from accounts.services.users import operator_actor
from audit.exports import making, selection
from audit.models import Event, EvidenceExport
from audit.notes import INSTALLATION
from audit.sealing.sealer import seal
from audit.tasks import make_export
from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.scope import tenant_scope
from tenants.permissions import BuiltinRole
from tenants.services.members import set_project_role
from tests.audit.events import write
from tests.audit.exports.stage import export_of, sealed, stored, verified
from tests.audit.sealing.stage import write_many, writer
from tests.people import Tenant, signed_in

LIST, NEW = "/o/acme/audit/exports/", "/o/acme/audit/exports/new/"
OPERATOR_NEW = "/admin/audit/exports/new/"
ASKED = {"format": "package", "period": "", "query": "", "days": "7"}


def page_of(export: EvidenceExport) -> str:
    return f"{LIST}{export.pk}/"


def only_export(tenant: Tenant) -> EvidenceExport:
    with tenant_scope(tenant.organization):
        found: EvidenceExport = EvidenceExport.objects.get()
        return found


def content(response) -> bytes:
    assert response.status_code == 200, response.status_code
    return b"".join(response.streaming_content)


def test_those_of_another_organization_do_not_exist(acme: Tenant, globex: Tenant, stranger: User) -> None:
    for tenant in (acme, globex):
        sealed(tenant.organization.pk)
    export = export_of(acme.organization.pk, "ndjson")
    foreign = export_of(globex.organization.pk, "ndjson")
    client = signed_in(stranger)

    for url in (LIST, NEW, page_of(export), f"{page_of(export)}file/", f"{page_of(export)}progress/"):
        assert client.get(url).status_code == 404
    assert client.post(page_of(export), {"delete": "1"}).status_code == 404
    for url in (page_of(foreign), f"{page_of(foreign)}file/", f"{page_of(foreign)}progress/"):
        assert signed_in(acme.owner).get(url).status_code == 404
    assert signed_in(acme.owner).post(page_of(foreign), {"delete": "1"}).status_code == 404
    assert stored(export).is_completed
    assert stored(foreign).is_completed


@pytest.mark.parametrize("who", ["member", "viewer", "none"])
def test_without_the_permission_nothing_is_shown_made_or_taken(acme: Tenant, who: str) -> None:
    sealed(acme.organization.pk)
    export = export_of(acme.organization.pk, "ndjson")
    client = signed_in(acme.people[who])

    for url in (LIST, NEW, page_of(export), f"{page_of(export)}file/", f"{page_of(export)}progress/"):
        assert client.get(url).status_code == 403
    assert client.post(NEW, ASKED).status_code == 403
    assert client.post(page_of(export), {"delete": "1"}).status_code == 403
    assert only_export(acme) == export


def test_a_role_that_takes_one_project_away_has_no_evidence_export(acme: Tenant) -> None:
    """A file of the whole log would tell them of that project."""
    sealed(acme.organization.pk)
    export = export_of(acme.organization.pk, "ndjson")
    with acme.acting("owner") as actor:
        role = acme.role(BuiltinRole.NONE)
        set_project_role(membership=acme.membership("auditor"), project=acme.project, role=role, actor=actor)
    client = signed_in(acme.auditor)

    for url in (LIST, NEW, page_of(export), f"{page_of(export)}file/"):
        response = client.get(url)
        assert response.status_code == 403
        assert "of every project" in response.content.decode()
    assert client.post(NEW, ASKED).status_code == 403
    log = client.get("/o/acme/audit/").content.decode()
    assert LIST not in log
    assert "/o/acme/audit/export/" in log  # what they see, they download
    assert NEW not in client.get("/o/acme/audit/export/").content.decode()


@pytest.mark.parametrize("who", ["owner", "admin", "auditor"])
def test_from_the_form_to_the_verified_file(acme: Tenant, tmp_path, who: str) -> None:
    sealed(acme.organization.pk)
    client = signed_in(acme.people[who])
    assert LIST in client.get("/o/acme/audit/").content.decode()
    assert "No exports" in client.get(LIST).content.decode()
    assert client.get(NEW).status_code == 200
    response = client.post(NEW, ASKED)
    export = only_export(acme)

    assert response["Location"] == page_of(export)
    page = client.get(page_of(export)).content.decode()
    assert export.sha256 in page
    assert "gatehouse_verify.py --key" in page
    assert f"{page_of(export)}file/" in page
    assert acme.people[who].email in client.get(LIST).content.decode()
    response = client.get(f"{page_of(export)}file/")
    assert response["Content-Type"] == "application/zip"
    assert int(response["Content-Length"]) == export.size
    assert "no-store" in response["Cache-Control"]
    path = tmp_path / "package.zip"
    path.write_bytes(content(response))
    assert verified(path).status == 0
    with tenant_scope(acme.organization):
        taken = Event.objects.get(action="evidence_export.downloaded")
    assert (taken.actor_label, taken.via, taken.target_id) == (acme.people[who].email, "console", str(export.pk))


def test_progress_is_sent_while_it_is_made(acme: Tenant, monkeypatch) -> None:
    monkeypatch.setattr(make_export, "delay", lambda *arguments: None)
    sealed(acme.organization.pk)
    client = signed_in(acme.auditor)
    client.post(NEW, {**ASKED, "format": "ndjson"})
    export = only_export(acme)

    def progress() -> dict[str, object]:
        told: dict[str, object] = json.loads(client.get(f"{page_of(export)}progress/").content)
        return told

    assert progress() == {"state": "running", "percent": 0, "done": 0, "total": 0, "events": 0}
    page = client.get(page_of(export)).content.decode()
    assert "Waiting for the worker" in page
    assert f'data-evidence-progress="{page_of(export)}progress/"' in page
    assert client.get(f"{page_of(export)}file/").status_code == 404
    monkeypatch.setattr(selection, "EVERY_EVENT", 10)
    for _ in range(2):
        with acting_as(SYSTEM):
            making.make(export.organization_id, export.pk, seconds=0)
    told = progress()
    assert 0 < int(str(told["percent"])) < 100
    assert told["done"] == told["events"] == 10
    with acting_as(SYSTEM):
        making.make(export.organization_id, export.pk)
    assert progress()["state"] == "completed"


def test_one_is_canceled_or_deleted_on_its_page(acme: Tenant, monkeypatch) -> None:
    sealed(acme.organization.pk)
    client = signed_in(acme.owner)
    export = export_of(acme.organization.pk, "csv")
    assert "Cancel the export" not in client.get(page_of(export)).content.decode()
    response = client.post(page_of(export), {"cancel": "1"}, follow=True)
    assert "The export is running no more" in response.content.decode()
    assert client.post(page_of(export), {"delete": "1"})["Location"] == LIST
    assert client.get(page_of(export)).status_code == 404
    monkeypatch.setattr(make_export, "delay", lambda *arguments: None)
    export = export_of(acme.organization.pk, "csv")
    assert "The export is canceled" in client.post(page_of(export), {"cancel": "1"}, follow=True).content.decode()


@pytest.mark.parametrize("url", [LIST, "/admin/audit/exports/"])
def test_the_list_takes_as_many_statements_for_many(acme: Tenant, globex: Tenant, operator: User, url: str) -> None:
    client = signed_in(operator if url.startswith("/admin") else acme.owner)
    asks = operator_actor(operator) if url.startswith("/admin") else SYSTEM
    counts = []
    for tenant in (acme, acme, globex):
        sealed(tenant.organization.pk, (1,))
        export_of(tenant.organization.pk, "csv", actor=asks)
        client.get(url)
        with CaptureQueriesContext(connection) as own, CaptureQueriesContext(connections["operator"]) as across:
            client.get(url)
        counts.append(len(own) + len(across))
    assert len(set(counts)) == 1, counts


def test_looking_makes_nothing(acme: Tenant) -> None:
    sealed(acme.organization.pk)
    client = signed_in(acme.owner)
    client.get(f"{NEW}?format=csv&period=30d")
    page = client.post(NEW, {**ASKED, "count": "1", "query": "action:member.added"}).content.decode()
    assert "events match" in page
    page = client.post(NEW, {**ASKED, "count": "1", "query": "actor:nobody"}).content.decode()
    assert "0 events match" in page
    with tenant_scope(acme.organization):
        assert not EvidenceExport.objects.exists()


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ({"query": "nonsense:x"}, "There is no qualifier"),
        ({"period": "custom"}, "Name a day"),
        ({"period": "custom", "first": "2026-02-01", "last": "2026-01-01"}, "before the first day"),
        ({"format": "xml"}, "Select a valid choice"),
        ({"days": "365"}, "Select a valid choice"),
    ],
)
def test_mistakes_are_shown_beside_their_field(acme: Tenant, wanted: dict[str, str], says: str) -> None:
    sealed(acme.organization.pk, (1,))
    response = signed_in(acme.owner).post(NEW, {**ASKED, **wanted})
    assert response.status_code == 422
    assert says in response.content.decode()


@pytest.mark.parametrize("period", ["30d", "month", "quarter", "year", "this_year"])
def test_periods_are_whole_days(acme: Tenant, period: str) -> None:
    sealed(acme.organization.pk, (1,))
    signed_in(acme.owner).post(NEW, {**ASKED, "format": "csv", "period": period})
    export = only_export(acme)
    assert export.since is not None
    assert (export.since.hour, export.since.minute) == (0, 0)
    assert export.until is None or export.since < export.until <= timezone.now()


def test_the_search_of_the_log_comes_along(acme: Tenant) -> None:
    write(acme.organization.pk, action="role.updated")
    client = signed_in(acme.owner)
    asked = "q=time:2026-01..2026-02%20-via:system&action=role.*&outcome=success&actor=ada"
    page = client.get(f"/o/acme/audit/export/?{asked}")
    link = page.context["evidence_url"]
    values = {name: value for name, (value,) in parse_qs(urlsplit(link).query).items()}
    assert values == {
        "query": "-via:system outcome:success actor:ada* action:role.*",
        "period": "custom",
        "first": "2026-01-01",
        "last": "2026-02-28",
    }
    shown = client.get(link).content.decode()
    assert 'value="2026-02-28"' in shown
    assert "actor:ada*" in shown


def test_operators_export_any_log_with_a_reason(acme: Tenant, globex: Tenant, operator: User, tmp_path) -> None:
    for tenant in (acme, globex):
        sealed(tenant.organization.pk)
    client = signed_in(operator)
    asked = {**ASKED, "log": "acme", "reason": ""}
    assert client.post(OPERATOR_NEW, asked).status_code == 422
    assert client.post(OPERATOR_NEW, {**asked, "log": "nobody", "reason": "x"}).status_code == 422
    response = client.post(OPERATOR_NEW, {**asked, "reason": "Request of the authorities, 4711"})
    export = only_export(acme)

    assert response["Location"] == f"/admin/audit/exports/{export.pk}/"
    assert "Request of the authorities, 4711" in client.get(response["Location"]).content.decode()
    assert "acme" in client.get("/admin/audit/exports/").content.decode()
    path = tmp_path / "package.zip"
    path.write_bytes(content(client.get(f"/admin/audit/exports/{export.pk}/file/")))
    found = verified(path)
    assert (found.status, found.report["origin"].endswith(str(acme.organization.pk))) == (0, True)
    with tenant_scope(acme.organization):
        events = {event.action: event for event in Event.objects.filter(action__startswith="evidence_export.")}
    assert {event.actor_label for event in events.values()} == {operator.email, "Gatehouse"}
    assert events["evidence_export.requested"].reason == "Request of the authorities, 4711"
    # The organization's own people see it, and what it was for.
    assert "Request of the authorities, 4711" in signed_in(acme.owner).get(page_of(export)).content.decode()
    assert client.post(f"/admin/audit/exports/{export.pk}/", {"delete": "1"}).status_code == 302
    with tenant_scope(acme.organization):
        assert not EvidenceExport.objects.exists()


def test_operators_export_the_installations_own_log(operator: User, acme: Tenant, tmp_path) -> None:
    with writer() as connection:
        write_many(connection, None, 9)
    seal()
    client = signed_in(operator)
    client.post(OPERATOR_NEW, {**ASKED, "log": "installation", "reason": "Yearly audit"})
    with tenant_scope(INSTALLATION):
        export = EvidenceExport.objects.get()
    assert export.is_completed, export.problem
    assert "Installation" in client.get("/admin/audit/exports/").content.decode()
    path = tmp_path / "package.zip"
    path.write_bytes(content(client.get(f"/admin/audit/exports/{export.pk}/file/")))
    found = verified(path)
    assert (found.status, found.report["origin"].endswith("/installation")) == (0, True)
    shown = client.get("/admin/audit/?log=installation&q=action:evidence_export.*").content.decode()
    assert "Requested an evidence export" in shown
    for person in (acme.owner, acme.auditor):
        assert signed_in(person).get(page_of(export)).status_code == 404
        assert signed_in(person).get(f"/admin/audit/exports/{export.pk}/").status_code == 403


def test_a_visit_exports_nothing(acme: Tenant, operator: User) -> None:
    sealed(acme.organization.pk)
    client = signed_in(operator)
    assert client.post(f"/admin/support/{acme.organization.pk}/", {"reason": "Ticket 7"}).status_code == 302
    assert client.get("/o/acme/audit/").status_code == 200
    assert LIST not in client.get("/o/acme/audit/").content.decode()
    assert client.get(LIST).status_code == 403
    assert client.post(NEW, ASKED).status_code == 403
