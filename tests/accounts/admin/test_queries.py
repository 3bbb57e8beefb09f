"""Every page asks the database the same number of questions for a few keys as for many."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.key_format import KeyKind
from accounts.models import ServiceAccount
from accounts.services.service_accounts import create_service_account, set_service_account_project_role
from tests.accounts.admin.conftest import Keys, make
from tests.people import make_project

PAGES = [
    "",
    "accounts/apikey/",
    "accounts/apikey/?q=k",
    "accounts/apikey/?older_than=90",
    "accounts/apikey/?expires=soon",
    "accounts/apikey/add/",
    "accounts/apikey/add/?kind=project",
    "accounts/apikey/add/?kind=service_account",
    "accounts/apikey/{key}/change/",
    "accounts/serviceaccount/",
    "accounts/serviceaccount/{account}/change/",
    "tenants/project/{project}/change/",
]


def grow(keys: Keys, first: int, last: int) -> None:
    """Add rows of every kind."""
    acme = keys.tenant
    with acme.acting("owner") as actor:
        judge = ServiceAccount.objects.get(pk=keys.account)
        for number in range(first, last):
            project = make_project(acme, f"project-{number}")
            account = create_service_account(
                organization=acme.organization, name=f"A{number}", kind="agent", role=acme.role("viewer"), actor=actor
            )
            set_service_account_project_role(account=judge, project=project, role=acme.role("viewer"), actor=actor)
            make(acme, actor, KeyKind.PROJECT, f"K{number}", ["traces:read"], project=project)
            make(acme, actor, KeyKind.PROJECT, f"C{number}", ["traces:read"], project=acme.project)
            make(acme, actor, KeyKind.SERVICE_ACCOUNT, f"S{number}", ["traces:read"], service_account=account)
            make(acme, actor, KeyKind.SERVICE_ACCOUNT, f"J{number}", ["traces:read"], service_account=judge)
            make(acme, actor, KeyKind.PERSONAL, f"P{number}", ["traces:read"])


@pytest.fixture
def questions(owner: Client, keys: Keys) -> Callable[[str], int]:
    """Return a function that opens a page twice and counts the second time."""

    def count(page: str) -> int:
        url = page.format(key=keys.pk("project"), account=keys.account, project=keys.tenant.project.pk)
        owner.get(f"/o/acme/{url}")
        with CaptureQueriesContext(connection) as captured:
            assert owner.get(f"/o/acme/{url}").status_code == 200
        return len(captured)

    return count


def test_the_number_of_questions_does_not_grow(questions: Callable[[str], int], keys: Keys) -> None:
    grow(keys, 0, 2)
    few = {page: questions(page) for page in PAGES}
    grow(keys, 2, 12)

    assert {page: questions(page) for page in PAGES} == few
