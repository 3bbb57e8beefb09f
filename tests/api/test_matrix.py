"""Every operation × every role, stranger, operator without a visit and nobody in particular.

It is made from the OpenAPI document: an operation that declares no permission, or whose rows the stage does not have,
fails here.
"""

import pytest
from django.db import transaction

from accounts.models import User
from api.operation import NO_PERMISSION
from tenants.permissions import P
from tests.api.operations import Described, operations
from tests.api.stage import Stage, stage_of
from tests.people import Tenant

CALLERS = ("anonymous", "stranger", "operator", "none", "auditor", "viewer", "member", "admin", "owner")


@pytest.fixture
def stage(acme: Tenant, stranger: User, operator: User) -> Stage:
    return stage_of(acme, stranger, operator)


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


@pytest.mark.parametrize("operation", operations(), ids=str)
def test_the_matrix(operation: Described, stage: Stage) -> None:
    for caller in CALLERS:
        status, body = undone(stage, caller, operation)
        where = f"{caller}: {operation.method} {operation.path}: {status} {body[:300]}"
        refusal = operation.refusal(caller)
        if refusal is None:
            assert status not in {401, 404, 405}, where
            assert status < 500, where
            assert status != 403 or '"permission_missing"' not in body, where
        else:
            assert status == refusal, where
            assert status == 403 or "acme" not in body.lower(), where
