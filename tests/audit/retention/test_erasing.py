"""Erasing a person: their values and salts go, the events, their ids and the tree stay."""

import json
from io import StringIO
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from accounts.services.users import set_user_active
from audit.models import ErasureRequest, Event, LeafText
from audit.notes import INSTALLATION
from audit.package import write_package
from audit.retention.erasing import carry_out
from audit.sealing.database import sealer_cursor
from audit.sealing.sealer import seal
from audit.services.erasures import cancel_erasure, preview_erasure, request_erasure
from audit.services.holds import set_hold
from audit.verification import LogVerifier
from audit.verifier import gatehouse_verify
from audit.watching import watch
from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.exceptions import DomainError, MissingPermission
from isolation.scope import tenant_scope
from tenants.services.members import set_member_active
from tests.audit.events import write
from tests.audit.retention.stage import let_pass
from tests.people import Tenant, make_user

WHO = "member@acme.example"


@pytest.fixture
def gone(acme: Tenant) -> Tenant:
    """Return an organization whose member has left traces in the log and is no active member any more."""
    log, person = acme.organization.pk, acme.member
    mine = {"actor_id": person.pk, "actor_label": WHO, "ip": "203.0.113.7", "user_agent": "Firefox", "session": "s1"}
    write(log, action="project.updated", **mine, target_label="Chatbot", before={"name": "A"}, after={"name": "Bot"})
    write(
        log,
        action="member.role_changed",
        target_type="member",
        target_id=str(person.pk),
        target_label=WHO,
        before={"role": "Viewer", "active": True},
        after={"role": "Member", "active": True},
        reason="She asked",
    )
    write(log, action="group.updated", target_label="Crew", after={"added": [WHO, "ada@acme.example"], "n": 2})
    write(log, action="group.updated", target_label="Crew", after={"added": "no.member@acme.example.org"})
    write(log, actor_kind="anonymous", actor_label="Anonymous", target_label=WHO, ip="203.0.113.9", action="x")
    with acme.acting("owner") as actor:
        set_member_active(membership=acme.membership("member"), active=False, actor=actor)
    seal()
    return acme


def everything(superuser: psycopg.Connection, log: UUID) -> str:
    """Return all that the events and requests of a log say."""
    rows = superuser.execute("SELECT to_jsonb(e)::text FROM audit_event e WHERE organization_id = %s", [log]).fetchall()
    rows += superuser.execute("SELECT to_jsonb(r)::text FROM audit_erasurerequest r").fetchall()
    return "\n".join(text for (text,) in rows)


def erase(tenant: Tenant, superuser: psycopg.Connection, who: str = "owner") -> ErasureRequest:
    with tenant.acting(who) as actor:
        request = request_erasure(
            organization_id=tenant.organization.pk, person=WHO, reason="Article 17, ticket 12", actor=actor
        )
    assert carry_out() == 0, "its notice is not over"
    let_pass(superuser, "audit_erasurerequest", "due_at = requested_at")
    assert carry_out() == 1
    with tenant_scope(tenant.organization):
        request.refresh_from_db()
    return request


def one(tenant: Tenant, **values: Any) -> Event:
    with tenant_scope(tenant.organization):
        event: Event = Event.objects.filter(**values).order_by("time").first()
        return event


def test_a_persons_values_go_and_the_log_stays_proven(gone: Tenant, superuser, tmp_path) -> None:
    log = gone.organization.pk
    leaves = superuser.execute("SELECT * FROM audit_leaf WHERE organization_id = %s ORDER BY seq", [log]).fetchall()
    bodies = superuser.execute(
        "SELECT body FROM audit_leaftext WHERE organization_id = %s ORDER BY seq", [log]
    ).fetchall()
    with gone.acting("owner") as actor:
        preview = preview_erasure(organization_id=log, person=WHO, actor=actor)
    assert WHO in everything(superuser, log)
    request = erase(gone, superuser)
    assert (request.events, request.fields) == (preview.plan.events, preview.plan.fields)
    said = everything(superuser, log)
    # Another address that only looks like it stays.
    assert said.count("member@acme.example") == said.count("no.member@acme.example.org") == 1
    for value in ("203.0.113.7", "203.0.113.9", "Firefox", "She asked"):
        assert value not in said
    assert (
        leaves
        == superuser.execute(
            "SELECT * FROM audit_leaf WHERE organization_id = %s AND seq < %s ORDER BY seq", [log, len(leaves)]
        ).fetchall()
    )
    assert (
        bodies
        == superuser.execute(
            "SELECT body FROM audit_leaftext WHERE organization_id = %s AND seq < %s ORDER BY seq", [log, len(leaves)]
        ).fetchall()
    )
    seal()
    findings = LogVerifier(log).run()
    assert (findings.problems, findings.erased) == ([], request.fields)
    assert watch() == 0
    with sealer_cursor() as cursor:
        write_package(cursor, log, tmp_path / "p")
    assert gatehouse_verify.main([str(tmp_path / "p"), "--quiet", "--report", str(tmp_path / "r.json")]) == 0
    report = json.loads((tmp_path / "r.json").read_text("utf-8"))
    assert (report["erased"], report["withheld"]) == (request.fields, 0)
    assert WHO not in (tmp_path / "p" / "events.ndjson").read_text("utf-8").replace("no.member@acme", "")
    assert f"{request.fields} personal values erased" in call_command("audit", "verify", stdout=StringIO())


def test_ids_and_what_is_not_theirs_stay(gone: Tenant, superuser) -> None:
    erase(gone, superuser)
    acted = one(gone, action="project.updated")
    assert (acted.actor_id, acted.actor_label, acted.ip, acted.session) == (gone.member.pk, "[erased]", None, "")
    assert (acted.target_label, acted.before, acted.after) == ("Chatbot", {"name": "A"}, {"name": "Bot"})
    suffered = one(gone, action="member.role_changed", target_id=str(gone.member.pk))
    assert (suffered.target_label, suffered.reason) == ("[erased]", "[erased]")
    assert suffered.before == {"role": "[erased]", "active": True}
    assert suffered.actor_label == "ada@acme.example"
    named = one(gone, action="group.updated", after__n=2)
    assert named.after == {"added": "[erased]", "n": 2}
    assert named.target_label == "Crew"


def test_the_log_tells_of_it_without_their_data(gone: Tenant, superuser) -> None:
    request = erase(gone, superuser)
    asked = one(gone, action="erasure.requested")
    done = one(gone, action="erasure.carried_out")
    assert asked.target_id == done.target_id == str(request.pk)
    assert done.after == {"events": request.events, "fields": request.fields}
    for event in (asked, done):
        assert WHO not in json.dumps([event.before, event.after, event.target_label])
    assert request.names == []


def test_a_dry_run_changes_nothing(gone: Tenant, superuser) -> None:
    before = everything(superuser, gone.organization.pk)
    with gone.acting("owner") as actor:
        plan = preview_erasure(organization_id=gone.organization.pk, person=WHO, actor=actor).plan
    assert plan.events >= 5
    assert everything(superuser, gone.organization.pk) == before


def test_a_hold_prevents_it_also_when_it_is_set_meanwhile(gone: Tenant, superuser) -> None:
    log = gone.organization.pk
    with gone.acting("owner") as actor:
        request_erasure(organization_id=log, person=WHO, reason="Article 17", actor=actor)
        set_hold(organization_id=log, name="Case 7", reason="Court", subject=WHO, actor=actor)
    let_pass(superuser, "audit_erasurerequest", "due_at = requested_at")
    assert carry_out() == 0
    assert WHO in everything(superuser, log)
    with gone.acting("owner") as actor, pytest.raises(DomainError, match="legal hold “Case 7” keeps"):
        request_erasure(organization_id=log, person=WHO, reason="Article 17", actor=actor)


def test_a_hold_on_somebody_else_does_not(gone: Tenant, superuser) -> None:
    with gone.acting("owner") as actor:
        set_hold(organization_id=gone.organization.pk, name="X", reason="Y", subject="viewer@acme.example", actor=actor)
        preview = preview_erasure(organization_id=gone.organization.pk, person=WHO, actor=actor)
    assert preview.plan.hold == ""


@pytest.mark.parametrize("who", ["admin", "member", "viewer", "auditor", "none"])
def test_only_owners_ask(who: str, acme: Tenant) -> None:
    with pytest.raises(MissingPermission), acme.acting(who) as actor:
        request_erasure(organization_id=acme.organization.pk, person=WHO, reason="x", actor=actor)


def test_whoever_is_active_is_not_erased(acme: Tenant, superuser) -> None:
    seal()
    with (
        pytest.raises(DomainError, match=r"is an active member\. Deactivate them first"),
        acme.acting("owner") as actor,
    ):
        request_erasure(organization_id=acme.organization.pk, person=WHO, reason="x", actor=actor)


def test_whoever_comes_back_meanwhile_is_not_erased(gone: Tenant, superuser) -> None:
    with gone.acting("owner") as actor:
        request_erasure(organization_id=gone.organization.pk, person=WHO, reason="x", actor=actor)
    let_pass(superuser, "audit_erasurerequest", "due_at = requested_at")
    superuser.execute("SET session_replication_role = replica")
    superuser.execute("UPDATE tenants_membership SET is_active = true")
    superuser.execute("SET session_replication_role = origin")
    assert carry_out() == 0


def test_it_can_be_called_off(gone: Tenant, superuser) -> None:
    with gone.acting("owner") as actor:
        request = request_erasure(organization_id=gone.organization.pk, person=WHO, reason="x", actor=actor)
        with pytest.raises(DomainError, match="waits for the end"):
            request_erasure(organization_id=gone.organization.pk, person=WHO, reason="x", actor=actor)
        cancelled = cancel_erasure(request=request, actor=actor)
        assert (cancelled.state, cancelled.names) == ("cancelled", [])
        with pytest.raises(DomainError, match="over"):
            cancel_erasure(request=request, actor=actor)
    let_pass(superuser, "audit_erasurerequest", "due_at = requested_at")
    assert carry_out() == 0


def test_another_organizations_log_is_not_touched(gone: Tenant, globex: Tenant, superuser) -> None:
    write(globex.organization.pk, actor_id=gone.member.pk, actor_label=WHO)
    seal()
    erase(gone, superuser)
    assert WHO in everything(superuser, globex.organization.pk)


def test_an_owner_does_not_learn_of_logins_elsewhere(acme: Tenant) -> None:
    make_user("elsewhere@else.example")
    with pytest.raises(DomainError, match="knows nobody"), acme.acting("owner") as actor:
        preview_erasure(organization_id=acme.organization.pk, person="elsewhere@else.example", actor=actor)


def test_the_installations_log(operator, superuser) -> None:
    user = make_user("leaver@example.org")
    with acting_as(SYSTEM), tenant_scope(INSTALLATION):
        seal()
        with pytest.raises(DomainError, match="can still sign in"):
            request_erasure(organization_id=INSTALLATION, person=user.email, reason="x", actor=SYSTEM)
    set_user_active(user=user, active=False, actor=SYSTEM)
    seal()
    with acting_as(SYSTEM), tenant_scope(INSTALLATION):
        request_erasure(organization_id=INSTALLATION, person=user.email, reason="x", actor=SYSTEM)
    let_pass(superuser, "audit_erasurerequest", "due_at = requested_at")
    assert carry_out() == 1
    said = superuser.execute("SELECT string_agg(to_jsonb(e)::text, '') FROM audit_event e").fetchone()[0]
    assert "leaver@example.org" not in said
    seal()
    assert LogVerifier(INSTALLATION).run().problems == []


def test_names_with_signs_are_names_and_no_patterns(acme: Tenant) -> None:
    cases = [
        ('"a.b+c@x.example"', ["a.b+c@x.example"], True),
        ('"aXb+c@x.example"', ["a.b+c@x.example"], False),
        ('"Mail to (a.b+c@x.example), please"', ["a.b+c@x.example"], True),
        ('"a.b+c@x.example.org"', ["a.b+c@x.example"], False),
        ('"ada.b+c@x.example"', ["b+c@x.example"], False),
        ('"Ada \\"The\\" [L]"', ['Ada "The" [L]'], True),
        ('"Ada"', ["ad"], False),
        ('["Ada", {"x": "Ada"}]', ["Ada"], True),
        ('{"x": ["Bob"]}', ["Ada"], False),
        ("null", ["Ada"], False),
        ('"A@X.EXAMPLE"', ["a@x.example"], True),
    ]
    with connection.cursor() as cursor:
        for value, names, expected in cases:
            cursor.execute("SELECT audit_mentions(%s::jsonb, %s)", [value, names])
            assert cursor.fetchone()[0] is expected, (value, names)


def test_texts_are_left_as_they_were_hashed(gone: Tenant, superuser) -> None:
    erase(gone, superuser)
    with tenant_scope(gone.organization):
        assert LeafText.objects.exclude(salts=b"").exists()


def test_the_command_counts_asks_and_carries_out(gone: Tenant, superuser) -> None:
    def run(*arguments: str) -> str:
        output = StringIO()
        call_command("audit", "erase", *arguments, stdout=output)
        return output.getvalue()

    whose = ("--organization", "acme", "--person", WHO)
    assert "values of" in run(*whose, "--dry-run")
    with tenant_scope(gone.organization):
        assert not ErasureRequest.objects.exists()
    with pytest.raises(CommandError, match="can still sign in"):
        run(*whose, "--reason", "Ticket 12")
    set_user_active(user=gone.member, active=False, actor=SYSTEM)
    with pytest.raises(CommandError, match="Say why"):
        run(*whose)
    assert "Erased after" in run(*whose, "--reason", "Ticket 12")
    assert run() == "0 erasures carried out.\n"
    let_pass(superuser, "audit_erasurerequest", "due_at = requested_at")
    assert run() == "1 erasures carried out.\n"
    assert call_command("audit", "retire", stdout=StringIO()) == "0 events retired."
    with pytest.raises(CommandError, match="Name both"):
        run("--person", WHO)
