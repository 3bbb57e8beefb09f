"""A key whose owner is not active is not accepted: not even to say who it is."""

import pytest

from accounts.key_format import KeyKind
from accounts.services.api_keys import create_api_key
from accounts.services.service_accounts import update_service_account
from accounts.services.users import set_user_active
from isolation.actor import SYSTEM
from tenants.services.members import set_member_active
from tests.accounts.api.stage import accepted, with_key
from tests.accounts.keys.stage import make_account
from tests.people import Tenant

SCOPES = ["traces:read"]


@pytest.mark.parametrize("what", ["membership", "login"])
def test_a_personal_key_waits_while_its_person_is_inactive(what: str, acme: Tenant) -> None:
    with acme.acting("member") as member:
        issued = create_api_key(
            organization=acme.organization, kind=KeyKind.PERSONAL, name="Laptop", scopes=SCOPES, actor=member
        )
    for active in (True, False, True):
        if what == "login":
            set_user_active(user=acme.member, active=active, actor=SYSTEM)
        else:
            with acme.acting("owner") as owner:
                set_member_active(membership=acme.membership("member"), active=active, actor=owner)
        assert accepted(issued.secret) is active
        for path in ("/organizations", f"/organizations/{acme.organization.slug}/explain?permission=traces:read"):
            assert with_key(issued.secret).get(path).status_code == (200 if active else 401)


def test_a_service_accounts_key_waits_while_it_is_inactive(acme: Tenant) -> None:
    with acme.acting("owner") as owner:
        account = make_account(acme, owner)
        issued = create_api_key(
            organization=acme.organization,
            kind=KeyKind.SERVICE_ACCOUNT,
            name="Judge",
            scopes=SCOPES,
            actor=owner,
            service_account=account,
        )
    for active in (True, False, True):
        with acme.acting("owner") as owner:
            role = acme.role("member")
            update_service_account(
                account=account, name="Judge", kind="evaluator", role=role, is_active=active, actor=owner
            )
        assert accepted(issued.secret) is active
