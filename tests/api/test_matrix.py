"""Every operation × every role, stranger, operator without a visit and nobody in particular.

It is made from the OpenAPI document: an operation that declares no permission, or whose rows the stage does not have,
fails here.
"""

import pytest
from django.db import transaction
from pytest_django import DjangoDbBlocker

from api.operation import NO_PERMISSION
from tenants.permissions import P
from tests.accounts.api.stage import organization_key, with_key
from tests.api.operations import Described, operations
from tests.api.stage import Stage, stage_of
from tests.people import Cast

PATHS: dict[str, list[Described]] = {}
for _operation in operations():
    PATHS.setdefault(_operation.path, []).append(_operation)
CALLERS = ("anonymous", "stranger", "operator", "none", "auditor", "viewer", "member", "admin", "owner")


@pytest.fixture(scope="session")
def stage_cast(cast: Cast, django_db_blocker: DjangoDbBlocker) -> Cast:
    with django_db_blocker.unblock():
        cast.learn("stage", lambda: stage_of(cast.enter("acme"), cast.enter("globex").owner, cast.enter("operator")))
    return cast


@pytest.fixture
def stage(stage_cast: Cast, db: None) -> Stage:
    found: Stage = stage_cast.enter("stage")
    return found


def undone(stage: Stage, caller: str, operation: Described) -> tuple[int, str]:
    """Return (status, body) of a request whose changes are taken back, so that the next caller meets the same rows."""
    with transaction.atomic():
        response = stage.callers[caller](operation.method, operation.address(stage.places_for(caller)), operation.body)
        body = response.getvalue().decode()
        transaction.set_rollback(True)
    return response.status_code, body


def test_every_operation_declares_who_may(db: None) -> None:
    for operation in operations():
        assert operation.permission in NO_PERMISSION or operation.permission in P.__members__.values(), operation


@pytest.mark.parametrize("path", PATHS)
def test_the_matrix(path: str, stage: Stage) -> None:
    for operation in PATHS[path]:
        for caller in CALLERS:
            status, body = undone(stage, caller, operation)
            where = f"{caller}: {operation.method} {operation.path}: {status} {body[:300]}"
            refusal = operation.refusal(caller)
            if refusal is None:
                assert_passed(status, body, where)
            else:
                assert status == refusal, where
                assert status == 403 or "acme" not in body.lower(), where
        if operation.permission not in NO_PERMISSION:
            try_scopes(stage, operation)


def assert_passed(status: int, body: str, where: str) -> None:
    """Whatever came of the request, it was not refused for want of a permission."""
    assert status not in {401, 404, 405}, where
    assert status < 500, where
    assert status != 403 or '"permission_missing"' not in body, where


def try_scopes(stage: Stage, operation: Described) -> None:
    """A key with every scope but the one that an operation needs is refused; one with that scope is not."""
    needed = P(operation.permission)
    seen = {P.PROJECTS_READ} if "{project}" in operation.path else set[P]()  # what is not seen is not found
    for name, granted in {"lacking": set(P) - {needed}, "fitting": {needed, *seen, *operation.also}}.items():
        stage.callers[name] = with_key(organization_key(stage.tenant, *sorted(granted), name=name).secret)
    status, body = undone(stage, "lacking", operation)
    assert status == (404 if needed in seen else 403), (operation, body)
    assert status == 404 or needed in body, (operation, body)
    status, body = undone(stage, "fitting", operation)
    assert_passed(status, body, f"{operation}: {status} {body[:300]}")
