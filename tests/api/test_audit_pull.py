"""Pulling the sealed log: in order, without a gap, for ever; what nobody else can read."""

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from accounts.key_format import KeyKind
from accounts.models import User
from accounts.services.api_keys import create_api_key
from audit.sealing.sealer import seal
from audit.verifier import gatehouse_verify
from tenants.permissions import P
from tests.api.calls import anybody, by
from tests.audit.sealing.stage import write, writer
from tests.audit.sinks.stage import apart, happen, sealed
from tests.people import Tenant
from tests.tenants.stage import events

LOG = "/organizations/acme/audit/events"


def lines(response: Any) -> list[dict[str, Any]]:
    """Return the lines of an answer."""
    assert response.status_code == 200, response.content
    assert response["Content-Type"] == "application/x-ndjson"
    return [json.loads(line) for line in response.content.splitlines()]


def following(response: Any) -> str:
    """Return the address that an answer leads to."""
    address, _, relation = str(response["Link"]).partition(">; ")
    assert relation == 'rel="next"'
    return address.removeprefix("</api/v1")


def test_a_stranger_and_whoever_may_not_export_read_nothing(acme: Tenant, stranger: User) -> None:
    happen(acme, 2)
    assert by(stranger).get(LOG).status_code == 404
    assert anybody().get(LOG).status_code == 401
    for who in ("member", "viewer", "none"):
        assert by(acme.people[who]).get(LOG).status_code == 403


def test_following_the_link_gives_every_event_once_in_order(acme: Tenant) -> None:
    caller, found, address = by(acme.auditor), [], f"{LOG}?limit=10"
    happen(acme, 25)
    while rows := lines(response := caller.get(address)):
        found += [row["seq"] for row in rows]
        address = following(response)
    assert found == list(range(sealed(acme)))
    happen(acme, 3)
    seqs = [row["seq"] for row in lines(caller.get(address))]
    assert seqs == list(range(len(found), sealed(acme)))
    assert len(seqs) == 4  # the first pull of a day is an event itself


def test_what_is_committed_late_is_never_missed(acme: Tenant) -> None:
    caller = by(acme.auditor)
    with writer() as late, writer() as early:
        write(late, acme.organization.pk, "late")
        write(early, acme.organization.pk, "early")
        early.commit()
        seal()
        response = caller.get(LOG)
        assert "late" not in [row["event"].get("reason") for row in lines(response)]
        late.commit()
        seal()
        rows = [row["event"] for row in lines(caller.get(following(response)))]
        assert [event["reason"] for event in rows if event["action"] != "audit_log.pulled"] == ["late"]


def test_the_first_pull_of_each_reader_and_day_is_an_event(acme: Tenant, stranger: User) -> None:
    happen(acme, 2)
    by(stranger).get(LOG)
    by(acme.viewer).get(LOG)
    assert events(acme, "audit_log.pulled") == []
    for _poll in range(3):
        by(acme.auditor).get(f"{LOG}?after_seq=1")
    by(acme.owner).get(LOG)
    told = [(event.actor_label, event.after) for event in events(acme, "audit_log.pulled")]
    assert told == [("auditor@acme.example", {"after_seq": 1}), ("owner@acme.example", {"after_seq": -1})]


def test_an_unchanged_page_is_not_sent_again(acme: Tenant) -> None:
    happen(acme, 3)
    caller = by(acme.auditor)
    response = caller.get(f"{LOG}?after_seq=0&limit=2")
    again = caller.get(f"{LOG}?after_seq=0&limit=2", if_none_match=response["ETag"])
    assert (again.status_code, again.content) == (304, b"")
    end = caller.get(f"{LOG}?after_seq={sealed(acme) - 1}")
    happen(acme, 1)
    assert len(lines(caller.get(f"{LOG}?after_seq={sealed(acme) - 2}", if_none_match=end["ETag"]))) == 1


def test_a_request_waits_for_an_event(acme: Tenant) -> None:
    caller = by(acme.auditor)
    happen(acme, 1)
    last = sealed(acme) - 1
    asked = threading.Event()

    def later() -> None:
        asked.wait(0.3)
        happen(acme, 1)

    worker = apart(later)
    try:
        assert [row["seq"] for row in lines(caller.get(f"{LOG}?after_seq={last}&wait=20"))] == [last + 1]
    finally:
        worker.join()


def test_a_copy_is_verified_as_it_is(acme: Tenant, tmp_path: Path) -> None:
    happen(acme, 40)
    caller = by(acme.auditor)
    keys = caller.get("/organizations/acme/audit/checkpoint").json()["keys"]
    copy = tmp_path / "copy.ndjson"
    rows = lines(caller.get(LOG))
    copy.write_text("".join(json.dumps(row) + "\n" for row in [{**rows[0], "keys": keys}, *rows[1:]]))
    command = [sys.executable, str(gatehouse_verify.__file__), str(copy)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    rows[7]["event"]["action"] = "member.removed"
    copy.write_text("".join(json.dumps(row) + "\n" for row in [{**rows[0], "keys": keys}, *rows[1:]]))
    told = subprocess.run(command, capture_output=True, check=False, text=True)
    assert told.returncode != 0
    assert "7" in told.stdout


def test_without_proofs_a_line_is_short(acme: Tenant) -> None:
    happen(acme, 1)
    row = lines(by(acme.auditor).get(f"{LOG}?proofs=false"))[0]
    assert set(row) == {"seq", "hash", "event"}


def test_a_key_that_may_export_and_nothing_else_pulls_its_own_log(acme: Tenant, globex: Tenant) -> None:
    with acme.acting("auditor") as actor:
        issued = create_api_key(
            organization=acme.organization,
            kind=KeyKind.PERSONAL,
            name="SIEM",
            scopes=[P.AUDIT_LOG_EXPORT],
            user=acme.auditor,
            actor=actor,
        )
    happen(acme, 1)
    bearer = {"authorization": f"Bearer {issued.secret}"}
    rows = lines(anybody().get("/audit/events", **bearer))
    assert {row["event"]["organization_id"] for row in rows} == {str(acme.organization.pk)}
    assert [row["seq"] for row in rows] == list(range(sealed(acme)))
    assert anybody().get("/organizations/globex/audit/events", **bearer).status_code == 404
    assert anybody().get("/organizations/acme/audit-events", **bearer).status_code == 403


def test_a_session_names_its_organization(acme: Tenant) -> None:
    answer = by(acme.auditor).get("/audit/events")
    assert (answer.status_code, answer.json()["code"]) == (422, "organization_needed")
