"""Many changes in any order: SCIM and Gatehouse hold what a simple model says."""

from typing import Any

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.people import Tenant
from tests.scim.directory import Directory
from tests.scim.stage import Scim


def run(acme: Tenant, scim: Scim, *, lives: int, steps: int, start: int) -> int:
    """Return how many operations were tried."""
    machine: Any = seed(start)(type("Push", (Directory,), {"scim": scim, "tenant": acme, "operations": 0}))
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=lives,
            stateful_step_count=steps,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    return int(machine.operations)


def test_a_sample(acme: Tenant, scim: Scim) -> None:
    assert run(acme, scim, lives=10, steps=30, start=1) >= 100


@pytest.mark.soak
@pytest.mark.parametrize("part", range(10))
def test_a_thousand_operations_of_ten_thousand(acme: Tenant, scim: Scim, part: int) -> None:
    tried = 0
    while tried < 1_000:
        tried += run(acme, scim, lives=20, steps=60, start=1_000 * part + tried)
