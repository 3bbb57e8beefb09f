"""The pages of retention, holds, erasures, receipts and deleted organizations."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from accounts.models import User
from audit.models import DeletedLog, ErasureRequest, LegalHold
from audit.notes import INSTALLATION
from audit.recorder import ACCESS_DENIED, record
from audit.retention.retiring import retire_month
from audit.sealing.sealer import seal
from audit.services.holds import set_hold
from audit.services.retention import change_retention
from isolation.actor import SYSTEM, Actor, ActorKind
from isolation.scope import tenant_scope
from tenants.models import Organization
from tenants.services.organizations import request_deletion
from tenants.tasks import purge_due, purge_due_in
from tests.audit.retention.stage import OLD, let_pass, months, seal_and_verify, write_old
from tests.people import Tenant, signed_in
from tests.tenants.stage import events

PAGE = "/o/acme/audit/retention/"
OPERATOR = "/admin/audit/retention/"
LEFT = "left@acme.example"


@pytest.fixture
def left(acme: Tenant) -> Tenant:
    """Return an organization whose log knows somebody who is not there any more."""
    with tenant_scope(acme.organization):
        record(ACCESS_DENIED, actor=Actor(ActorKind.USER, uuid4(), LEFT), organization_id=acme.organization.pk)
    seal()
    return acme


def rows(tenant: Tenant, model: Any) -> list[Any]:
    with tenant_scope(tenant.organization):
        return list(model.objects.all())


@pytest.mark.parametrize("path", ["", "holds/new/", "erasures/new/"])
def test_a_stranger_sees_nothing(path: str, acme: Tenant, stranger: User) -> None:
    assert signed_in(stranger).get(f"{PAGE}{path}").status_code == 404
    assert signed_in(stranger).post(f"{PAGE}{path}", {"months": 12}).status_code == 404


@pytest.mark.parametrize(("who", "sees"), [("admin", 200), ("auditor", 200), ("member", 403), ("viewer", 403)])
def test_who_sees_and_who_does_not_change(who: str, sees: int, acme: Tenant) -> None:
    client = signed_in(acme.people[who])
    page = client.get(PAGE)
    assert page.status_code == sees
    assert b">Save<" not in page.content
    for path in ("", "holds/new/", "erasures/new/"):
        assert client.post(f"{PAGE}{path}", {"months": 12, "person": "x", "name": "x"}).status_code == 403
    assert rows(acme, LegalHold) == []


def test_an_owner_shortens_the_time(acme: Tenant) -> None:
    client = signed_in(acme.owner)
    page = client.post(PAGE, {"months": "24"}, follow=True)
    assert page.status_code == 200
    assert "It counts from" in page.content.decode()
    assert "24 months" in page.content.decode()
    refused = client.post(PAGE, {"months": "3"})
    assert refused.status_code == 422
    assert "Choose 12 to 1200 months" in refused.content.decode()


def test_an_owner_sets_and_releases_a_hold(acme: Tenant) -> None:
    client = signed_in(acme.owner)
    wrong = client.post(f"{PAGE}holds/new/", {"name": "Case 7", "reason": "Court", "subject": "nobody@x.example"})
    assert "knows nobody" in wrong.content.decode()
    values = {"name": "Case 7", "reason": "Court", "since": "2026-01-01", "until": "2026-01-31"}
    client.post(f"{PAGE}holds/new/", values)
    (hold,) = rows(acme, LegalHold)
    assert (hold.until - hold.since).days == 30
    page = client.get(PAGE).content.decode()
    assert "Case 7" in page
    assert "1 legal hold" in page
    url = f"{PAGE}holds/{hold.pk}/release/"
    assert client.get(url).status_code == 200
    assert client.post(url, {"reason": "Settled"}).status_code == 302
    assert "goes on until" in client.get(PAGE).content.decode()


def test_an_owner_cannot_release_what_an_operator_set(acme: Tenant, operator: User) -> None:
    target = f"{OPERATOR}holds/new/?log={acme.organization.pk}"
    client = signed_in(operator)
    assert client.post(target, {"name": "Case 7", "reason": "Court"}).status_code == 302
    (hold,) = rows(acme, LegalHold)
    assert hold.by_operator
    owner = signed_in(acme.owner)
    assert f"holds/{hold.pk}/release/" not in owner.get(PAGE).content.decode()
    refused = owner.post(f"{PAGE}holds/{hold.pk}/release/", {"reason": "x"})
    assert "An operator of this installation set this hold" in refused.content.decode()
    assert "Case 7" in client.get(f"{OPERATOR}?log=acme").content.decode()
    assert "Case 7" not in client.get(OPERATOR).content.decode(), "the installation's own log"
    done = client.post(f"{OPERATOR}holds/{hold.pk}/release/?log={acme.organization.pk}", {"reason": "Settled"})
    assert done.status_code == 302
    assert rows(acme, LegalHold)[0].state == "released"


def test_an_owner_erases_somebody_who_left(left: Tenant) -> None:
    client = signed_in(left.owner)
    look = client.get(f"{PAGE}erasures/new/", {"person": LEFT}).content.decode()
    assert "1 value of 1 event would go" in look
    assert rows(left, ErasureRequest) == []
    client.post(f"{PAGE}erasures/new/", {"person": LEFT, "reason": "Article 17"})
    (erasure,) = rows(left, ErasureRequest)
    page = client.get(PAGE).content.decode()
    assert LEFT in page
    assert "Waiting" in page
    assert client.post(f"{PAGE}erasures/{erasure.pk}/cancel/").status_code == 302
    page = client.get(PAGE).content.decode()
    assert LEFT not in page
    assert "Called off" in page
    missing = client.get(f"{PAGE}erasures/new/", {"person": "nobody@acme.example"})
    assert missing.status_code == 422
    active = client.post(f"{PAGE}erasures/new/", {"person": "member@acme.example", "reason": "x"})
    assert "is an active member. Deactivate them first" in active.content.decode()


def test_what_is_held_cannot_be_erased_on_the_page(left: Tenant) -> None:
    with left.acting("owner") as actor:
        set_hold(organization_id=left.organization.pk, name="Case 7", reason="Court", subject=LEFT, actor=actor)
    look = signed_in(left.owner).get(f"{PAGE}erasures/new/", {"person": LEFT}).content.decode()
    assert "The legal hold “Case 7” keeps events" in look
    assert "Erase them" not in look


def test_operators_work_on_the_installations_log(operator: User) -> None:
    client = signed_in(operator)
    assert client.post(OPERATOR, {"months": "24"}).status_code == 302
    assert client.post(f"{OPERATOR}holds/new/", {"name": "Case 7", "reason": "Court"}).status_code == 302
    page = client.get(OPERATOR).content.decode()
    assert "Case 7" in page
    with tenant_scope(INSTALLATION):
        assert LegalHold.objects.get().organization_id == INSTALLATION
    assert client.get(f"{OPERATOR}?log=nowhere").status_code == 404


def test_the_receipts_are_there_to_take(acme: Tenant, superuser) -> None:
    with months(superuser, OLD):
        with tenant_scope(acme.organization):
            change_retention(organization_id=acme.organization.pk, months=24, actor=SYSTEM)
        let_pass(superuser, "audit_retentionchange", "effective_at = announced_at")
        write_old(acme.organization.pk, 3)
        seal_and_verify()
        assert retire_month(acme.organization.pk, OLD) == 3
        client = signed_in(acme.auditor)
        page = client.get(PAGE).content.decode()
        assert f"{OLD:%B %Y}" in page
        [(pk, note)] = superuser.execute("SELECT id, note FROM audit_receipt").fetchall()
        assert client.get(f"{PAGE}receipts/{pk}/").content.decode() == note


@pytest.fixture
def deleted(acme: Tenant, superuser) -> Tenant:
    """Return an organization that was deleted for good."""
    with acme.acting("owner") as actor:
        request_deletion(organization=acme.organization, actor=actor)
    superuser.execute("SET session_replication_role = replica")
    superuser.execute("UPDATE tenants_organization SET purge_at = now() - interval '1 day' WHERE slug = 'acme'")
    superuser.execute("SET session_replication_role = origin")
    assert purge_due() == 1
    purge_due_in(str(acme.organization.pk))
    with tenant_scope(acme.organization):
        assert not Organization.objects.filter(pk=acme.organization.pk).exists()
    seal()
    return acme


def test_the_name_of_a_deleted_organization_is_kept(deleted: Tenant, superuser) -> None:
    (row,) = rows(deleted, DeletedLog)
    assert (row.name, row.slug, row.organization_id) == ("Acme", "acme", deleted.organization.pk)
    unnamed = superuser.execute("SELECT 1 FROM audit_unattributedchange WHERE table_name = 'audit_deletedlog'")
    assert unnamed.fetchall() == []


def test_its_log_opens_with_a_reason_for_an_hour(deleted: Tenant, operator: User, superuser) -> None:
    client, log = signed_in(operator), f"/admin/audit/?organization={deleted.organization.pk}"
    assert "acme (deleted)" not in client.get(log).content.decode()
    assert "acme (deleted)" not in client.get("/admin/audit/?q=action:organization.purged").content.decode()
    page = client.get("/admin/audit/deleted/").content.decode()
    assert "Acme" in page
    url = f"/admin/audit/deleted/{deleted.organization.pk}/"
    assert url in page
    assert client.post(url, {"reason": " "}).status_code == 422
    opened = client.post(url, {"reason": "Request of the tax office, 12/26"})
    assert opened["Location"] == log
    assert "acme (deleted)" in client.get(log).content.decode()
    (event,) = events(deleted, "deleted_log.opened")
    assert (event.reason, event.actor_label) == ("Request of the tax office, 12/26", operator.email)
    session = client.session
    session["audit_opened_logs"] = {str(deleted.organization.pk): (timezone.now() - timedelta(seconds=1)).isoformat()}
    session.save()
    assert "acme (deleted)" not in client.get(log).content.decode()


def test_one_event_of_a_closed_log_is_closed_too(deleted: Tenant, operator: User) -> None:
    (event,) = events(deleted, "organization.purged")
    client = signed_in(operator)
    assert client.get(f"/admin/audit/{event.pk}/").status_code == 404
    assert client.get(f"/admin/audit/{event.pk}/proof/").status_code == 404


@pytest.mark.parametrize("path", ["deleted/", "retention/"])
def test_nobody_but_operators_opens_these(path: str, acme: Tenant) -> None:
    assert signed_in(acme.owner).get(f"/admin/audit/{path}").status_code in {302, 403, 404}


def test_a_deleted_organizations_log_is_retired_later(acme: Tenant, superuser, settings) -> None:
    settings.AUDIT_RETENTION_MONTHS = 24
    with months(superuser, OLD):
        write_old(acme.organization.pk, 3)
        seal_and_verify()
        superuser.execute("SET session_replication_role = replica")
        superuser.execute("DELETE FROM tenants_organization WHERE slug = 'acme'")
        superuser.execute("SET session_replication_role = origin")
        assert retire_month(acme.organization.pk, OLD) == 3
