"""Whatever the answer about a key is read from announces its changes."""

import re
import time

import psycopg

from accounts.services.key_rules import IssuedKey
from isolation.actor import SYSTEM
from isolation.scope import tenant_scope
from tenants.models import Source
from tenants.permissions import P
from tenants.services.exceptions import grant_to_member, revoke_exception
from tenants.services.members import add_member
from tenants.services.projects import transfer_project
from tests.gateway.process import Gateway, basic
from tests.gateway.stage import Keys
from tests.gateway.test_invalidation import becomes
from tests.people import Tenant, make_project

FUNCTIONS = (
    "gateway_key",
    "accounts_keys_by_digest",
    "tenants_authority",
    "accounts_service_account_authority",
    "gateway_place",
    "gateway_actor",
    "gateway_credentials",
    "gateway_revocations",
    "gateway_signing_keys",
)
# The catalogue of names behind exceptions: only migrations write it.
FIXED = {"auth_permission", "django_content_type"}
# What the lookup returns for audit events and `gateway_key` leaves out.
UNSAID = {("accounts_user", "email"), ("accounts_serviceaccount", "name")}
_READ = re.compile(
    r"\b(?:FROM|JOIN)\s+((?:accounts|tenants|auth|django|guardian|gateway)_\w+)\b(?!\s*\()(?:\s+(?:AS\s+)?(\w+))?"
)
_QUIET = re.compile(r"- ARRAY\[(.*?)\]")


def sources(superuser: psycopg.Connection) -> dict[str, str]:
    rows = superuser.execute(
        "SELECT proname, prosrc FROM pg_proc WHERE proname = ANY (%s)", [list(FUNCTIONS)]
    ).fetchall()
    found: dict[str, str] = dict(rows)
    assert found.keys() == set(FUNCTIONS)
    return found


def test_every_table_behind_an_answer_announces(superuser: psycopg.Connection) -> None:
    read = {table for text in sources(superuser).values() for table, _ in _READ.findall(text)} - FIXED
    assert len(read) > 10
    rows = superuser.execute(
        "SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE tgname LIKE 'gateway%%' AND tgenabled = 'O'"
    ).fetchall()
    for table in read:
        assert {name for where, name in rows if where == table} == {"gateway_announce", "gateway_announce_change"}, (
            table
        )


def test_no_column_behind_an_answer_is_quiet(superuser: psycopg.Connection) -> None:
    rows = superuser.execute(
        "SELECT tgrelid::regclass::text, pg_get_triggerdef(oid) FROM pg_trigger"
        " WHERE tgname = 'gateway_announce_change'"
    ).fetchall()
    quiet = {
        (table, column)
        for table, definition in rows
        for listed in _QUIET.findall(definition)
        for column in re.findall(r"'(\w+)'", listed)
    }
    assert quiet
    told = set()
    for text in sources(superuser).values():
        for table, alias in _READ.findall(text):
            told |= {(table, column) for column in re.findall(rf"\b{alias or table}\.(\w+)", text)}
    assert quiet & told == UNSAID


def test_a_transferred_projects_key_speaks_of_its_new_organization(
    gateways: tuple[Gateway, Gateway], platform: IssuedKey, keys: Keys, acme: Tenant, globex: Tenant
) -> None:
    """The former organization's service learns nothing more about it, the new one's does."""
    with tenant_scope(globex.organization):
        role = globex.role("owner")
        add_member(organization=globex.organization, user=acme.owner, role=role, source=Source.MANUAL, actor=SYSTEM)
    with tenant_scope(acme.organization):
        billing = make_project(acme, "billing")
    key, former, present = keys.project(billing), keys.caller(), Keys(globex).caller()

    def known(gateway: Gateway) -> list[object]:
        slug = gateway.ask(basic(platform), key.secret).json["organization"]["slug"]
        return [slug, *(gateway.ask(basic(caller), key.secret).is_active for caller in (former, present))]

    for gateway in gateways:
        assert known(gateway) == known(gateway) == ["acme", True, False]
    with acme.acting("owner") as owner:
        transfer_project(project=billing, target_id=globex.organization.pk, user=acme.owner, actor=owner)
    since = time.monotonic()
    for gateway in gateways:
        becomes(lambda gateway=gateway: known(gateway), ["globex", False, True], since)  # type: ignore[misc]


def test_an_exception_counts_for_a_personal_key_while_it_lasts(
    gateways: tuple[Gateway, Gateway], platform: IssuedKey, keys: Keys, acme: Tenant
) -> None:
    with acme.acting("owner") as owner:
        grant = grant_to_member(
            project=acme.project, membership=acme.membership("viewer"), permission=P.TRACES_WRITE, actor=owner
        )
    key = keys.personal("viewer")

    def seen(gateway: Gateway) -> object:
        return gateway.ask(basic(platform), key.secret, project="chatbot").json["permissions"]

    for gateway in gateways:
        assert seen(gateway) == seen(gateway) == ["traces:read", "traces:write"]
        assert gateway.ask(basic(platform), key.secret).json["permissions"] == ["traces:read"]
    with acme.acting("owner") as owner:
        revoke_exception(grant=grant, actor=owner)
    since = time.monotonic()
    for gateway in gateways:
        becomes(lambda gateway=gateway: seen(gateway), ["traces:read"], since)  # type: ignore[misc]
