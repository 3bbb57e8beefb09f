"""The token that lets a form make one row is its holder's, its form's and its organization's."""

from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from django.core import signing
from django.test import RequestFactory

from console import once
from isolation.exceptions import DomainError


def posted(token: str, *, user: Any, organization: Any = None) -> Any:
    """Return a request that carries a token."""
    request: Any = RequestFactory().post("/", {once.FIELD: token})
    request.user, request.organization = user, organization
    return request


def test_a_token_names_the_same_row_each_time_it_is_sent() -> None:
    user, organization = SimpleNamespace(pk=uuid4()), SimpleNamespace(pk=uuid4())
    token = once.token(posted("", user=user, organization=organization), "api_key")

    ids = {once.row_id(posted(token, user=user, organization=organization), "api_key") for _ in range(3)}
    assert len(ids) == 1


@pytest.mark.parametrize("other", ["user", "organization", "purpose"])
def test_nobody_and_nothing_else_can_use_it(other: str) -> None:
    user, organization = SimpleNamespace(pk=uuid4()), SimpleNamespace(pk=uuid4())
    token = once.token(posted("", user=user, organization=organization), "api_key")
    values = {"user": user, "organization": organization}
    if other in values:
        values[other] = SimpleNamespace(pk=uuid4())

    with pytest.raises(DomainError) as refused:
        once.row_id(posted(token, **values), "other" if other == "purpose" else "api_key")
    assert refused.value.code == "stale_form"


def test_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    user = SimpleNamespace(pk=uuid4())
    token = once.token(posted("", user=user), "api_key")
    monkeypatch.setattr(once, "_MAX_AGE", -1)

    with pytest.raises(DomainError):
        once.row_id(posted(token, user=user), "api_key")


@pytest.mark.parametrize(
    "text",
    ["", "x", "\x00", "é" * 100, signing.dumps(["x"]), signing.dumps({}, salt="console.once")],
    ids=["empty", "letter", "NUL", "long", "other salt", "without a row"],
)
def test_what_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(DomainError):
        once.row_id(posted(text, user=SimpleNamespace(pk=uuid4())), "api_key")
