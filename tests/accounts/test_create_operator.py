"""`manage.py create_operator`: the first operator of an installation."""

import io

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from accounts.models import User
from tests.people import PASSWORD, make_user

pytestmark = pytest.mark.django_db


def create(monkeypatch: pytest.MonkeyPatch, email: str, password: str = PASSWORD, **options: str) -> str:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{password}\n"))
    return str(call_command("create_operator", email, password_stdin=True, **options))


def test_a_new_operator_signs_in(monkeypatch: pytest.MonkeyPatch, superuser) -> None:
    assert "Created the operator ada@example.org" in create(monkeypatch, " Ada@Example.org ", name="Ada")
    user = User.objects.get(email="ada@example.org")
    assert (user.is_operator, user.name) == (True, "Ada")
    client = Client()
    assert client.post("/accounts/login/", {"login": user.email, "password": PASSWORD}).status_code == 302
    assert client.get("/admin/").status_code == 200
    (event,) = superuser.execute(
        "SELECT actor_kind, via, target_label FROM audit_event WHERE action = 'user.created'"
    ).fetchall()
    assert event == ("system", "cli", "ada@example.org")


def test_an_existing_login_becomes_one_and_keeps_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    user = make_user("ada@example.org")
    assert create(monkeypatch, user.email, "another password altogether") == "ada@example.org is an operator now."
    user.refresh_from_db()
    assert user.is_operator
    assert user.check_password(PASSWORD)


@pytest.mark.parametrize(
    ("email", "password", "line"),
    [
        ("nobody", PASSWORD, "nobody is no e-mail address."),
        ("ada@example.org", "short", "This password is too short. It must contain at least 12 characters."),
        ("ada@example.org", "", "This password is too short. It must contain at least 12 characters."),
    ],
)
def test_what_cannot_be_is_one_line(monkeypatch: pytest.MonkeyPatch, email: str, password: str, line: str) -> None:
    with pytest.raises(CommandError) as refused:
        create(monkeypatch, email, password)
    assert str(refused.value) == line
    assert not User.objects.exists()
