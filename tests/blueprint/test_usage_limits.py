"""Limits of LLM usage in a blueprint: made, changed, exported, pruned; refused with their line."""

import pytest

from gateway.models import UsageLimit
from isolation.scope import tenant_scope
from tests.blueprint.conftest import File, exported
from tests.llm_proxy.limits.test_services import make
from tests.people import Tenant

pytestmark = pytest.mark.django_db
LIMITS = """
version: 1
organizations:
  acme:
    service_accounts:
      Nightly judge:
        role: viewer
    usage_limits:
      "organization: requests per minute":
        amount: 600
      "each key: tokens per day":
        amount: 1000000
        active: false
      "project chatbot: dollars per month":
        amount: "250.50"
      "user Member@acme.example: dollars per day":
        amount: 5
      "service account nightly judge: requests at the same time":
        amount: 2
      "model gpt-4o*: tokens per minute":
        amount: 30000
"""


def stored(tenant: Tenant) -> set[tuple[str, str, str, int, bool]]:
    with tenant_scope(tenant.organization):
        return {
            (limit.subject_kind, limit.metric, limit.window, limit.amount, limit.is_enabled)
            for limit in UsageLimit.objects.all()
        }


def test_they_are_made_once_and_their_export_plans_empty(acme: Tenant, globex: Tenant, file: File) -> None:
    file.write(LIMITS).apply()
    assert stored(acme) == {
        ("organization", "requests", "minute", 600, True),
        ("api_key", "tokens", "day", 1_000_000, False),
        ("project", "cost", "month", 250_500_000, True),
        ("actor", "cost", "day", 5_000_000, True),
        ("actor", "concurrency", "none", 2, True),
        ("model", "tokens", "minute", 30_000, True),
    }
    assert stored(globex) == set()
    assert file.changes() == []
    file.write(exported("acme"))
    assert file.plan() == (0, "No changes: everything is as the blueprint says.\n")


def test_they_change_and_are_pruned(acme: Tenant, file: File) -> None:
    make(acme)
    make(acme, metric="tokens")
    file.write(
        """
        version: 1
        organizations:
          acme:
            prune: [usage_limits]
            usage_limits:
              "organization: requests per minute": {amount: 11, active: false}
        """
    )
    assert file.changes() == [
        ("update", "usage limit", "organization: requests per minute"),
        ("remove", "usage limit", "organization: tokens per minute"),
    ]
    file.apply()
    assert stored(acme) == {("organization", "requests", "minute", 11, False)}


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        ('"project nowhere: tokens per day": {amount: 1}', 5),
        ('"user nobody@acme.example: tokens per day": {amount: 1}', 5),
        ('"organization: tokens per minute": {amount: "1.5"}', 5),
        ('"organization: dollars per day": {amount: 1.0000001}', 5),
        ('"organization: dollars per minute": {amount: 1}', 5),
        ('"team: tokens per day": {amount: 1}', 5),
        ('"organization: tokens per day": {}', 5),
    ],
)
def test_what_is_wrong_is_refused_with_its_line(entry: str, line: int, acme: Tenant, file: File) -> None:
    file.write(f"version: 1\norganizations:\n  acme:\n    usage_limits:\n      {entry}\n")
    (problem,) = file.refused()
    assert problem.startswith(f"{line}:")
    assert stored(acme) == set()
