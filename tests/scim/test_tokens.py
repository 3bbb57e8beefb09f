"""Which tokens are accepted: several at once, until they expire or are revoked, from where they may come."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from accounts.models import ScimConnection, ScimToken
from accounts.services.scim_tokens import revoke_scim_token
from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.scope import tenant_scope
from tenants.services.organizations import suspend_organization
from tests.accounts.api.stage import make_key
from tests.people import Tenant, signed_in
from tests.scim.stage import BASE, Scim, expire_tokens, refused, token_of, user_body


def test_several_tokens_at_once(acme: Tenant, connection: ScimConnection, scim: Scim) -> None:
    second = Scim(token_of(acme, connection, name="Next").secret)
    assert second.get("/Users").json == scim.get("/Users").json
    created = second.user("grace")
    assert scim.read(created) == created


def test_a_revoked_token_is_refused_at_once_and_the_other_is_not(
    acme: Tenant, connection: ScimConnection, scim: Scim
) -> None:
    issued = token_of(acme, connection, name="Next")
    assert Scim(issued.secret).get("/Users").status == 200
    with tenant_scope(acme.organization), acting_as(SYSTEM):
        revoke_scim_token(token=issued.key, actor=SYSTEM)
    refused(Scim(issued.secret).get("/Users"), 401)
    refused(Scim(issued.secret).post("/Users", user_body("grace")), 401)
    assert scim.get("/Users").status == 200


def test_a_token_expires(acme: Tenant, connection: ScimConnection, scim: Scim, superuser: Any) -> None:
    issued = token_of(acme, connection, expires_at=timezone.now() + timedelta(days=1))
    assert Scim(issued.secret).get("/Users").status == 200
    expire_tokens(superuser)
    refused(Scim(issued.secret).get("/Users"), 401)


@pytest.mark.parametrize(
    ("address", "accepted"), [("192.0.2.7", True), ("2001:db8::5", True), ("192.0.3.1", False), ("127.0.0.1", False)]
)
def test_an_allow_list_of_networks(
    acme: Tenant, connection: ScimConnection, scim: Scim, address: str, accepted: bool
) -> None:
    issued = token_of(acme, connection, allowed_networks=["192.0.2.0/24", "2001:db8::/32"])
    answer = Scim(issued.secret, address=address).get("/Users")
    assert answer.status == 200 if accepted else answer.status in {401, 403}


def test_a_suspended_organization(acme: Tenant, scim: Scim, other_scim: Scim) -> None:
    with tenant_scope(acme.organization), acting_as(SYSTEM):
        suspend_organization(organization=acme.organization, reason="Unpaid", actor=SYSTEM)
    for answer in (scim.get("/Users"), scim.post("/Users", user_body("grace")), scim.get("/ServiceProviderConfig")):
        assert answer.status in {401, 403}
    assert other_scim.get("/Users").status == 200


def test_the_last_use_is_known(acme: Tenant, connection: ScimConnection, scim: Scim) -> None:
    issued = token_of(acme, connection)
    assert issued.key.last_used_at is None
    assert Scim(issued.secret).get("/Users").status == 200


def test_the_command_prints_where_and_with_what(acme: Tenant, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("scim_token", "create", "--organization", "acme")
    printed = capsys.readouterr().out
    (secret,) = re.findall(r"gatesk_scm_\w+", printed)
    assert "/scim/v2" in printed
    assert Scim(secret).get("/Users").json["totalResults"] == 0


def test_only_a_digest_is_stored(acme: Tenant, connection: ScimConnection, superuser: Any) -> None:
    issued = token_of(acme, connection)
    table = ScimToken._meta.db_table
    rows = superuser.execute(f'SELECT row_to_json(t)::text FROM "{table}" t').fetchall()  # noqa: S608 - our own name
    assert rows
    assert issued.secret not in str(rows)
    assert issued.secret.rpartition("_")[2][:30] not in str(rows)
    assert issued.secret.startswith("gatesk_scm_")
    assert issued.public_id.startswith("gatepk_scm_")


def test_keys_of_other_kinds_and_sessions_are_no_tokens(acme: Tenant, scim: Scim) -> None:
    for issued in (make_key(acme, "traces:write"), make_key(acme, "members:read", kind="organization", project=None)):
        assert Scim(issued.secret).get("/Users").status in {401, 403}
    assert signed_in(acme.owner).get(f"{BASE}/Users").status_code == 401


def test_a_token_is_no_key_of_the_api(scim: Scim) -> None:
    response = Client().get("/api/v1/organizations/acme", headers={"Authorization": f"Bearer {scim.secret}"})
    assert response.status_code in {401, 403}


def test_the_secret_in_the_address_is_nothing(scim: Scim) -> None:
    for name in ("access_token", "token", "api_key"):
        refused(Scim("").get(f"/Users?{name}={scim.secret}"), 401)


def test_the_base_url_has_one_tenant(scim: Scim) -> None:
    for path in ("/o/acme/scim/v2/Users", "/scim/v2/acme/Users", "/scim/Users"):
        response = Client(headers={"Authorization": f"Bearer {scim.secret}"}).get(path)
        assert response.status_code in {401, 302, 404}
