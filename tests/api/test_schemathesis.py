"""Requests made up from the OpenAPI document: no fault of ours, and every answer is as the document says.

Each request is taken back, so that the next one meets the same rows. A sample runs with every test run, the same one
each time; `make soak` tries many more (SOAK_EXAMPLES for each role, SOAK_SEED to begin elsewhere).
"""

import os
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from django.middleware.csrf import _get_new_csrf_string
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from accounts.models import User
from api.document import document
from tests.api.stage import ROLES, Stage, stage_of
from tests.people import Tenant

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
CALLERS = (*ROLES, "stranger", "operator", "anonymous")


@pytest.fixture
def kept_connection() -> Iterator[None]:
    """Keep the handler from closing the connection around a request, as Django's test client does."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def stage(kept_connection: None, acme: Tenant, stranger: User, operator: User, settings: Any) -> Stage:
    settings.API_RATE_PER_KEY = settings.API_RATE_PER_ORGANIZATION = settings.API_RATE_PER_ADDRESS = 10_000_000
    return stage_of(acme, stranger, operator)


def sent_by(stage: Stage, caller: str) -> dict[str, dict[str, str]]:
    """Return the session's cookies and its CSRF token, as a browser sends them."""
    token = _get_new_csrf_string()
    cookies = {name: morsel.value for name, morsel in stage.callers[caller].client.cookies.items()}
    return {"cookies": {**cookies, "gatehouse_csrf": token}, "headers": {"X-CSRFToken": token}}


def cases(stage: Stage) -> Iterator[st.SearchStrategy[Any]]:
    """Yield, for each operation, requests as the document wants them and requests that it forbids."""
    schema: Any = schemathesis.openapi.from_dict(document())
    schema.config.generation.update(with_security_parameters=False)
    for found in schema.get_all_operations():
        operation = found.ok()
        places = {p.name: stage.places[p.name] for p in operation.path_parameters if p.name in stage.places}
        yield operation.as_strategy(path_parameters=places)
        yield operation.as_strategy()
        if any(operation.iter_parameters()) or operation.body:
            yield operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)


def attempt(stage: Stage, caller: str, *, examples: int, seed: int) -> None:
    sent, application = sent_by(stage, caller), get_wsgi_application()
    met: set[int] = set()

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=st.one_of(list(cases(stage))))
    def run(case: Any) -> None:
        with transaction.atomic():
            response = case.call(app=application, **sent)
            transaction.set_rollback(True)
        met.add(response.status_code)
        case.validate_response(response, checks=CHECKS)

    run()
    # Otherwise the session was not sent, and nothing is proven.
    assert met & {200, 201, 204} or caller not in {"owner", "admin"}
    assert (401 in met) == (caller == "anonymous")


@pytest.mark.parametrize("caller", CALLERS)
def test_made_up_requests(caller: str, stage: Stage) -> None:
    attempt(stage, caller, examples=80, seed=CALLERS.index(caller))


@pytest.mark.soak
@pytest.mark.parametrize("caller", CALLERS)
def test_many_made_up_requests(caller: str, stage: Stage) -> None:
    examples = int(os.environ.get("SOAK_EXAMPLES", "3000"))
    attempt(stage, caller, examples=examples, seed=int(os.environ.get("SOAK_SEED", "1")) + CALLERS.index(caller))
