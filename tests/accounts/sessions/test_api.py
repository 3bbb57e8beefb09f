"""One's own sessions in the API."""

import uuid

import pytest

from accounts.models import Session, User
from tests.accounts.api.stage import organization_key, with_key
from tests.accounts.log import of_installation
from tests.accounts.sessions.stage import SAFARI, is_signed_in, key_in, session_in, sessions, sign_in
from tests.api.calls import Caller, anybody
from tests.people import Tenant
from tests.sso.stage import Sso

pytestmark = pytest.mark.django_db


def test_a_strangers_session_is_not_found(acme: Tenant, stranger: User) -> None:
    victim, thief = sign_in(acme.member), Caller(sign_in(stranger))
    foreign = thief.delete(f"/me/sessions/{session_in(victim).pk}")
    assert (foreign.status_code, foreign.json()["code"]) == (404, "not_found")
    assert thief.delete(f"/me/sessions/{uuid.uuid4()}").json()["detail"] == foreign.json()["detail"]
    assert thief.post("/me/sessions/end-others").json() == {"ended": 0}
    assert [one["id"] for one in thief.get("/me/sessions").json()["data"]] == [str(sessions(stranger)[0].pk)]
    assert is_signed_in(victim)


def test_a_confined_session_is_refused(sso: Sso) -> None:
    elsewhere = sign_in(sso.tenant.member)
    confined = Caller(sso.sign_in().browser)
    for method, path in (
        ("GET", "/me/sessions"),
        ("POST", "/me/sessions/end-others"),
        ("DELETE", f"/me/sessions/{session_in(elsewhere).pk}"),
    ):
        response = confined(method, path)
        assert (response.status_code, response.json()["code"]) == (403, "confined_session")
    assert is_signed_in(elsewhere)


def test_a_key_has_no_sessions(acme: Tenant) -> None:
    pk = session_in(sign_in(acme.owner)).pk
    key = with_key(organization_key(acme).secret)
    for method, path in (
        ("GET", "/me/sessions"),
        ("POST", "/me/sessions/end-others"),
        ("DELETE", f"/me/sessions/{pk}"),
    ):
        response = key(method, path)
        assert (response.status_code, response.json()["code"]) == (403, "person_only")
    assert anybody().get("/me/sessions").status_code == 401


def test_sessions_are_listed_and_ended(acme: Tenant) -> None:
    other = sign_in(acme.member, user_agent=SAFARI)
    client = sign_in(acme.member)
    mine = Caller(client)
    newest, oldest = mine.get("/me/sessions").json()["data"]
    assert newest["id"] == str(session_in(client).pk)
    assert (newest["is_current"], oldest["is_current"]) == (True, False)
    assert (oldest["browser"], oldest["ip"], oldest["signed_in_by"]) == (
        "Safari 17 on Mac OS X",
        "127.0.0.1",
        "Password",
    )
    assert key_in(client) not in str(newest)

    assert mine.delete(f"/me/sessions/{oldest['id']}").status_code == 204
    assert Caller(other).get("/me").status_code == 401
    assert mine.delete(f"/me/sessions/{oldest['id']}").status_code == 404
    (event,) = of_installation("user.sessions_ended")
    assert (event.via, event.actor_id) == ("api", acme.member.pk)


def test_a_session_can_end_itself(acme: Tenant) -> None:
    mine = Caller(sign_in(acme.member))
    (only,) = mine.get("/me/sessions").json()["data"]
    assert mine.delete(f"/me/sessions/{only['id']}").status_code == 204
    assert mine.get("/me").status_code == 401


def test_the_others_end_together(acme: Tenant) -> None:
    others = [sign_in(acme.member) for _ in range(2)]
    mine = Caller(sign_in(acme.member))
    assert mine.post("/me/sessions/end-others").json() == {"ended": 2}
    assert not any(map(is_signed_in, others))
    assert mine.get("/me").status_code == 200
    assert Session.objects.filter(user=acme.member).count() == 1


def test_pages_of_sessions(acme: Tenant) -> None:
    for _ in range(2):
        sign_in(acme.member)
    mine = Caller(sign_in(acme.member))
    page = mine.get("/me/sessions?limit=2").json()
    assert len(page["data"]) == 2
    rest = mine.get(page["next"].split("/api/v1")[1]).json()
    assert len(rest["data"]) == 1
    assert len({one["id"] for one in page["data"] + rest["data"]}) == 3
