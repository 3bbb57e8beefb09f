"""The checkpoint page, the API's proofs, and that the auditor's program takes what they give."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from accounts.models import User
from audit.evidence import consistency, inclusion
from audit.models import Event
from audit.package import VERIFIER
from audit.sealing.sealer import seal
from audit.watching import watch
from isolation.actor import SYSTEM
from isolation.scope import tenant_scope
from tenants.services.exceptions import grant_to_member
from tests import database
from tests.api.calls import by
from tests.audit.events import write
from tests.audit.sealing.stage import write as write_raw
from tests.audit.sealing.stage import writer
from tests.people import Tenant, signed_in
from tests.tenants.stage import events

PAGE = "/o/acme/audit/checkpoint/"
OPERATOR_PAGE = "/admin/audit/checkpoint/"
API = "/organizations/acme/audit"


def verified(path: Path, *more: str) -> tuple[int, dict[str, Any]]:
    """Run the auditor's program as a process of its own, away from Gatehouse."""
    result = subprocess.run(
        [sys.executable, "-I", str(VERIFIER), "--json", "--quiet", *more, str(path)],
        capture_output=True,
        text=True,
        check=False,
        cwd=path.parent,
    )
    assert result.returncode in {0, 1}, result.stderr
    return result.returncode, json.loads(result.stdout)


# Strangers ---------------------------------------------------------------------------------------


def test_a_stranger_finds_nothing(acme: Tenant, globex: Tenant, stranger: User) -> None:
    seal()
    event = events(acme)[0]
    client = signed_in(stranger)
    for page in (PAGE, f"{PAGE}keys/", f"{PAGE}verifier/", f"/o/acme/audit/{event.pk}/proof/"):
        assert client.get(page).status_code == 404
    assert client.get(f"/o/globex/audit/{event.pk}/proof/").status_code == 404
    caller = by(stranger)
    for path in ("checkpoint", f"proofs/inclusion?event={event.pk}", "proofs/consistency?from=1"):
        assert caller.get(f"{API}/{path}").status_code == 404
    assert caller.get(f"/organizations/globex/audit/proofs/inclusion?event={event.pk}").status_code == 404


def test_who_may_not_read_the_whole_log_sees_no_checkpoint(acme: Tenant) -> None:
    seal()
    with tenant_scope(acme.organization):
        viewer = acme.membership("viewer")
        grant_to_member(project=acme.project, membership=viewer, permission="audit_log:read", actor=SYSTEM)
    seal()
    ours = events(acme, "project.created")[0]
    other = events(acme, "member.added")[0]
    for person in (acme.member, acme.viewer):
        assert signed_in(person).get(PAGE).status_code == 403
        assert by(person).get(f"{API}/checkpoint").status_code == 403
    assert b"audit/checkpoint" not in signed_in(acme.viewer).get("/o/acme/audit/").content
    # Of the events of their project they have the proof.
    assert by(acme.viewer).get(f"{API}/proofs/inclusion?event={ours.pk}").status_code == 200
    assert by(acme.viewer).get(f"{API}/proofs/inclusion?event={other.pk}").status_code == 404
    assert signed_in(acme.viewer).get(f"/o/acme/audit/{ours.pk}/proof/").status_code == 200
    assert signed_in(acme.viewer).get(f"/o/acme/audit/{other.pk}/proof/").status_code == 404


# The page ----------------------------------------------------------------------------------------


def test_before_anything_is_sealed(acme: Tenant) -> None:
    response = signed_in(acme.auditor).get(PAGE)
    assert "Nothing is sealed yet" in response.text
    assert "Not verified yet" in response.text
    assert by(acme.auditor).get(f"{API}/checkpoint").status_code == 404
    event = events(acme)[0]
    refused = by(acme.auditor).get(f"{API}/proofs/inclusion?event={event.pk}")
    assert (refused.status_code, refused.json()["code"]) == (409, "not_sealed")
    assert signed_in(acme.auditor).get(f"/o/acme/audit/{event.pk}/proof/").status_code == 404


def test_the_page_shows_the_text_to_keep(acme: Tenant, superuser) -> None:
    seal()
    watch()
    (size, note) = superuser.execute(
        "SELECT size, note FROM audit_checkpoint WHERE organization_id = %s", [acme.organization.pk]
    ).fetchone()
    client = signed_in(acme.auditor)
    response = client.get(PAGE)
    assert note.splitlines()[2] in response.text
    assert f"Verified up to event {size - 1}" in response.text
    assert "audit/checkpoint/" in client.get("/o/acme/audit/").text
    keys = client.get(f"{PAGE}keys/").text
    assert keys.startswith("gatehouse-audit-key/v1\n")
    downloaded = client.get(f"{PAGE}verifier/")
    assert b"".join(downloaded.streaming_content) == VERIFIER.read_bytes()  # type: ignore[attr-defined]


def test_operators_see_every_log(acme: Tenant, globex: Tenant, operator: User) -> None:
    seal()
    watch()
    client = signed_in(operator)
    page = client.get(OPERATOR_PAGE)
    assert page.status_code == 200
    assert "/installation" in page.context["checkpoint"].note
    assert {str(row.label) for row in page.context["logs"]} == {"Installation", "acme", "globex"}
    page = client.get(f"{OPERATOR_PAGE}?log={acme.organization.pk}")
    assert page.context["checkpoint"].note.splitlines()[0].endswith(str(acme.organization.pk))
    assert client.get(f"{OPERATOR_PAGE}?log=x").status_code == 404
    with writer() as connection:
        event = write_raw(connection, None)
    seal()
    assert client.get(f"/admin/audit/{event}/proof/").json()["leaf"]


def test_an_event_leads_to_its_proof(acme: Tenant, tmp_path: Path) -> None:
    seal()
    event = events(acme)[0]
    client = signed_in(acme.auditor)
    assert f"/audit/{event.pk}/proof/" in client.get(f"/o/acme/audit/{event.pk}/").text
    response = client.get(f"/o/acme/audit/{event.pk}/proof/")
    path = tmp_path / "proof.json"
    path.write_bytes(response.content)
    assert verified(path)[0] == 0


# Proofs ------------------------------------------------------------------------------------------


def grown(acme: Tenant, count: int) -> None:
    with writer() as connection:
        for _ in range(count):
            write_raw(connection, acme.organization.pk)
    seal()


def test_every_proof_holds_for_the_auditors_program(acme: Tenant, tmp_path: Path, superuser) -> None:
    for count in (3, 300, 5):
        grown(acme, count)
    sizes = [
        size
        for (size,) in superuser.execute(
            "SELECT size FROM audit_checkpoint WHERE organization_id = %s ORDER BY size", [acme.organization.pk]
        ).fetchall()
    ]
    every = superuser.execute(
        "SELECT event_id, seq FROM audit_leaf WHERE organization_id = %s ORDER BY seq", [acme.organization.pk]
    ).fetchall()
    lines = []
    with tenant_scope(acme.organization):
        for event_id, seq in every[:: len(every) // 40]:
            size = next(size for size in sizes if size > seq)
            event = Event.objects.get(pk=event_id)
            lines += [inclusion(event), inclusion(event, size=size)]
        lines += [consistency(acme.organization.pk, old=old, new=new) for old in sizes for new in sizes if old <= new]
    path = tmp_path / "proofs.ndjson"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    status, report = verified(path, "--filtered")
    assert (status, report["problems"]) == (0, [])
    # Each of them is about its event and no other.
    for number, line in enumerate(lines):
        forged = json.loads(json.dumps(line))
        if "seq" in forged:
            forged["seq"] += 1
        elif forged["consistency"]["path"]:
            forged["consistency"]["path"].pop()
        else:
            continue
        path.write_text(json.dumps(forged), encoding="utf-8")
        assert verified(path, "--filtered")[0] == 1, number
        if number > 10 and "seq" in line:
            break


def test_the_api_gives_files_for_the_auditors_program(acme: Tenant, tmp_path: Path) -> None:
    grown(acme, 3)
    caller = by(acme.auditor)
    first = caller.get(f"{API}/checkpoint").json()
    assert first["verification"]["state"] == "waiting"
    assert first["note"].splitlines()[1:3] == [str(first["size"]), first["root"]]
    grown(acme, 4)
    watch()
    newest = caller.get(f"{API}/checkpoint").json()
    assert newest["size"] >= first["size"] + 4
    assert (newest["verification"]["state"], newest["verification"]["number"]) == ("verified", newest["size"] - 1)
    path = tmp_path / "proof.json"
    for query in (f"inclusion?event={events(acme)[0].pk}", f"consistency?from={first['size']}"):
        answer = caller.get(f"{API}/proofs/{query}")
        assert answer.status_code == 200, answer.content
        path.write_text(json.dumps(answer.json(), indent=1), encoding="utf-8")
        assert verified(path)[0] == 0
    for query, status in (
        ("consistency?from=999999", 422),
        (f"consistency?from={newest['size']}&to={first['size']}", 422),
        ("consistency", 400),
        ("inclusion", 400),
        (f"inclusion?event={events(acme)[0].pk}&size=999999", 422),
        (f"inclusion?event={events(acme)[-1].pk}&size={first['size']}", 422),
    ):
        assert caller.get(f"{API}/proofs/{query}").status_code == status, query


def test_an_event_of_another_project_is_not_proven_to_who_may_not_read_it(acme: Tenant) -> None:
    event = write(acme.organization.pk)
    seal()
    assert by(acme.member).get(f"{API}/proofs/inclusion?event={event.pk}").status_code == 403


@pytest.mark.parametrize("erased", [False, True])
def test_a_personal_value_is_opened_only_while_its_salt_is_there(erased: bool, acme: Tenant, superuser) -> None:
    seal()
    event = events(acme)[0]
    if erased:
        superuser.execute(database.TRIGGERS_OFF)
        superuser.execute("UPDATE audit_leaftext SET salts = decode(repeat('00', length(salts)), 'hex')")
    with tenant_scope(acme.organization):
        assert bool(inclusion(event)["openings"]) is not erased
