"""Operators see and end anybody's sessions, on the record."""

import uuid

import pytest

from accounts.models import User
from accounts.services.sessions import end_session, end_sessions, forget_device
from accounts.services.users import person
from isolation.exceptions import DomainError
from tests.accounts.log import of_installation
from tests.accounts.sessions.stage import SAFARI, devices, is_signed_in, session_in, sessions, sign_in
from tests.people import Tenant, signed_in
from tests.tenants.stage import events

pytestmark = pytest.mark.django_db


def page_of(user: User, part: str = "change") -> str:
    """Return an address of somebody's page."""
    return f"/admin/accounts/user/{user.pk}/{part}/"


def test_nobody_else_ends_anybodys_sessions(acme: Tenant, stranger: User) -> None:
    victim = sign_in(acme.member)
    for user in (acme.owner, stranger, acme.member):
        assert signed_in(user).post(page_of(acme.member, "end-sessions")).status_code == 403
    for other in (acme.owner, stranger):
        with pytest.raises(DomainError, match="Only an operator"):
            end_sessions(acme.member, actor=person(other))
        with pytest.raises(DomainError, match="Only an operator"):
            end_session(user=acme.member, session_id=session_in(victim).pk, actor=person(other))
        with pytest.raises(DomainError, match="Only an operator"):
            forget_device(user=acme.member, device_id=devices(acme.member)[0].pk, actor=person(other))
    assert is_signed_in(victim)


def test_sessions_are_shown(acme: Tenant, operator: User) -> None:
    sign_in(acme.member, user_agent=SAFARI)
    page = signed_in(operator).get(page_of(acme.member)).content.decode()
    assert "Safari 17 on Mac OS X" in page
    assert "127.0.0.1, the portal&#x27;s own machine; Password" in page
    assert "Not signed in anywhere" in signed_in(operator).get(page_of(acme.viewer)).content.decode()


def test_all_sessions_end_on_the_record(acme: Tenant, operator: User) -> None:
    clients = [sign_in(acme.member) for _ in range(2)]
    console = signed_in(operator)
    assert console.get(page_of(acme.member, "end-sessions")).status_code == 200
    assert all(map(is_signed_in, clients)), "a GET only asks"
    response = console.post(page_of(acme.member, "end-sessions"), {"session": "", "reason": "Stolen"}, follow=True)
    assert "2 sessions of member@acme.example ended." in response.content.decode()
    assert not any(map(is_signed_in, clients))
    for event in (*of_installation("user.sessions_ended"), *events(acme, "user.sessions_ended")):
        assert (event.actor_kind, event.actor_label, event.reason) == ("operator", operator.email, "Stolen")
        assert event.target_id == str(acme.member.pk)
    assert len(events(acme, "user.sessions_ended")) == 1


def test_one_session_ends(acme: Tenant, operator: User) -> None:
    kept, ended = sign_in(acme.member), sign_in(acme.member)
    data = {"session": str(session_in(ended).pk), "reason": ""}
    assert signed_in(operator).post(page_of(acme.member, "end-sessions"), data).status_code == 302
    assert not is_signed_in(ended)
    assert is_signed_in(kept)


def test_a_session_of_somebody_else_is_no_choice(acme: Tenant, operator: User) -> None:
    other = sign_in(acme.viewer)
    console = signed_in(operator)
    for session in (session_in(other).pk, uuid.uuid4(), "x"):
        data = {"session": str(session), "reason": ""}
        assert console.post(page_of(acme.member, "end-sessions"), data).status_code in {200, 422}
    assert is_signed_in(other)
    assert len(sessions(acme.viewer)) == 1
