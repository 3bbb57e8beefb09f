"""What changes counts within a second in every process, and nothing is believed that may have changed."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.utils import timezone

from accounts.key_format import new_secret
from accounts.models import ApiKeySecret, ServiceAccountProjectRole
from accounts.services.api_keys import create_api_key, revoke_api_key, rotate_api_key, update_api_key
from accounts.services.key_rules import IssuedKey
from accounts.services.platform_keys import revoke_platform_key
from accounts.services.service_accounts import (
    remove_service_account_project_role,
    set_service_account_project_role,
    update_service_account,
)
from accounts.services.users import set_user_active
from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.scope import tenant_scope
from portal.embedded_postgres import PORT as POSTGRES_PORT
from tenants.permissions import P
from tenants.services.groups import add_group_member, create_group, remove_group_member, set_group_role
from tenants.services.members import change_role, remove_member, set_member_active, set_project_role
from tenants.services.organizations import request_deletion, suspend_organization
from tenants.services.projects import request_project_deletion
from tenants.services.roles import create_role, update_role
from tests import database
from tests.gateway.cable import Cable
from tests.gateway.process import Gateway, basic, database_url, wait_until_trusted
from tests.gateway.stage import Keys
from tests.isolation.pooler import pgbouncer
from tests.people import Tenant

AT_MOST = 1.0


def becomes(answer: Callable[[], object], expected: object, since: float) -> float:
    """Return how many seconds after `since` the answer was as expected; fail when that is too late."""
    while (seen := answer()) != expected:
        assert time.monotonic() - since < AT_MOST, f"still {seen} after {AT_MOST} s"
    return time.monotonic() - since


def effective_everywhere(
    gateways: tuple[Gateway, Gateway], platform: IssuedKey, key: IssuedKey, change: Callable[[], object], after: object
) -> None:
    """Let both processes remember the key, change something, and see it in both within a second."""

    def permissions(gateway: Gateway) -> object:
        reply = gateway.ask(basic(platform), key.secret)
        return reply.json["permissions"] if reply.is_active else None

    for gateway in gateways:
        before = [permissions(gateway) for _ in range(3)]
        assert before[0] is not None
        assert before[0] != after
    change()
    since = time.monotonic()
    for gateway in gateways:
        becomes(lambda gateway=gateway: permissions(gateway), after, since)  # type: ignore[misc]


@pytest.mark.parametrize(
    "change",
    [
        lambda acme, key, owner: revoke_api_key(key=key.key, actor=owner, reason="test"),
        lambda acme, key, owner: rotate_api_key(key=key.key, actor=owner),
        lambda acme, key, owner: request_project_deletion(project=acme.project, actor=owner),
        lambda acme, key, owner: request_deletion(organization=acme.organization, actor=owner),
    ],
    ids=["revoked", "rotated", "project deleted", "organization deleted"],
)
def test_a_project_key_ends(
    gateways, platform: IssuedKey, keys: Keys, acme: Tenant, change: Callable[..., Any]
) -> None:
    key = keys.project()

    def run() -> None:
        with acme.acting("owner") as owner:
            change(acme, key, owner)

    effective_everywhere(gateways, platform, key, run, None)


def test_a_suspended_organization_has_no_valid_key(gateways, platform: IssuedKey, keys: Keys, acme: Tenant) -> None:
    def suspend() -> None:
        with acting_as(SYSTEM), tenant_scope(acme.organization):
            suspend_organization(organization=acme.organization, reason="test", actor=SYSTEM)

    effective_everywhere(gateways, platform, keys.organization(), suspend, None)


def test_a_change_of_scopes_counts(gateways, platform: IssuedKey, keys: Keys, acme: Tenant) -> None:
    key = keys.project()

    def narrow() -> None:
        with acme.acting("owner") as owner:
            update_api_key(key=key.key, name="Narrow", scopes=["traces:read"], actor=owner)

    effective_everywhere(gateways, platform, key, narrow, ["traces:read"])


@pytest.mark.parametrize(
    ("change", "after"),
    [
        (
            lambda acme, owner: change_role(
                membership=acme.membership("member"), role=acme.role("viewer"), actor=owner
            ),
            ["traces:read"],
        ),
        (lambda acme, owner: set_member_active(membership=acme.membership("member"), active=False, actor=owner), None),
        (lambda acme, owner: remove_member(membership=acme.membership("member"), actor=owner), None),
        (lambda acme, owner: set_user_active(user=acme.member, active=False, actor=SYSTEM), None),
    ],
    ids=["role changed", "member deactivated", "member removed", "login closed"],
)
def test_a_personal_key_follows_its_owner(
    gateways, platform: IssuedKey, keys: Keys, acme: Tenant, change: Callable[..., Any], after: object
) -> None:
    def run() -> None:
        with acme.acting("owner") as owner:
            change(acme, owner)

    effective_everywhere(gateways, platform, keys.personal("member"), run, after)


def test_a_custom_role_that_changes_counts(gateways, platform: IssuedKey, keys: Keys, acme: Tenant) -> None:
    with acme.acting("owner") as owner:
        role = create_role(
            organization=acme.organization,
            name="Tracer",
            permissions=[P.TRACES_READ, P.TRACES_WRITE, P.API_KEYS_READ],
            actor=owner,
        )
        change_role(membership=acme.membership("member"), role=role, actor=owner)
    key = keys.personal("member")

    def narrow() -> None:
        with acme.acting("owner") as owner:
            update_role(role=role, name="Tracer", permissions=[P.TRACES_WRITE], actor=owner)

    effective_everywhere(gateways, platform, key, narrow, ["traces:write"])


def test_leaving_a_group_counts(gateways, platform: IssuedKey, keys: Keys, acme: Tenant) -> None:
    with acme.acting("owner") as owner:
        group = create_group(organization=acme.organization, name="Engineers", actor=owner)
        set_group_role(group=group, role=acme.role("member"), actor=owner)
        place = add_group_member(group=group, membership=acme.membership("viewer"), actor=owner)
    key = keys.personal("viewer")

    def leave() -> None:
        with acme.acting("owner") as owner:
            remove_group_member(place=place, actor=owner)

    effective_everywhere(gateways, platform, key, leave, ["traces:read"])


def test_a_service_account_that_is_switched_off_has_no_valid_key(
    gateways, platform: IssuedKey, keys: Keys, acme: Tenant
) -> None:
    account = keys.account()
    key = keys.service_account(account)

    def switch_off() -> None:
        with acme.acting("owner") as owner:
            update_service_account(
                account=account,
                name=account.name,
                kind="service",
                role=acme.role("member"),
                is_active=False,
                actor=owner,
            )

    effective_everywhere(gateways, platform, key, switch_off, None)


def test_roles_in_a_project_count(gateways, platform: IssuedKey, keys: Keys, acme: Tenant) -> None:
    account = keys.account()
    robot, person = keys.service_account(account), keys.personal("member")

    def seen(gateway: Gateway, key: IssuedKey) -> object:
        return gateway.ask(basic(platform), key.secret, project="chatbot").json["permissions"]

    def everywhere(key: IssuedKey, expected: list[str]) -> None:
        since = time.monotonic()
        for gateway in gateways:
            becomes(lambda gateway=gateway: seen(gateway, key), expected, since)  # type: ignore[misc]

    for key in (robot, person):
        everywhere(key, ["traces:read", "traces:write"])
    with acme.acting("owner") as owner:
        set_service_account_project_role(account=account, project=acme.project, role=acme.role("viewer"), actor=owner)
        set_project_role(
            membership=acme.membership("member"), project=acme.project, role=acme.role("none"), actor=owner
        )
    everywhere(robot, ["traces:read"])
    everywhere(person, [])
    with acme.acting("owner") as owner:
        remove_service_account_project_role(project_role=ServiceAccountProjectRole.objects.get(), actor=owner)
    everywhere(robot, ["traces:read", "traces:write"])


def test_a_revoked_caller_learns_nothing_more(gateways, platform: IssuedKey, keys: Keys) -> None:
    token = keys.project().secret
    for gateway in gateways:
        assert gateway.ask(basic(platform), token).is_active
        assert gateway.ask(basic(platform), token).is_active
    with acting_as(SYSTEM):
        revoke_platform_key(key=platform.key, actor=SYSTEM, reason="test")
    since = time.monotonic()
    for gateway in gateways:
        becomes(lambda gateway=gateway: gateway.ask(basic(platform), token).status, 401, since)  # type: ignore[misc]


def test_an_end_in_time_needs_no_word(gateways, platform: IssuedKey, keys: Keys, acme: Tenant) -> None:
    """An expiry and the end of an overlap come by the clock: what is remembered does not outlive them."""
    with acme.acting("owner") as owner:
        ends = timezone.now() + timedelta(seconds=1.5)
        expiring, rotated = keys.project(expires_at=ends), keys.project()
        rotate_api_key(key=rotated.key, actor=owner, overlap=timedelta(seconds=1.5))
        overlap_ends = ApiKeySecret.objects.get(api_key=rotated.key, expires_at__isnull=False).expires_at
    for key, end in ((expiring, ends), (rotated, overlap_ends)):
        while timezone.now() < end - timedelta(milliseconds=150):
            assert all(gateway.ask(basic(platform), key.secret).is_active for gateway in gateways)
        since = time.monotonic()
        for gateway in gateways:
            becomes(lambda gateway=gateway, key=key: gateway.ask(basic(platform), key.secret).is_active, False, since)  # type: ignore[misc]


def test_a_new_key_is_known_although_it_was_asked_for_before(
    gateways, platform: IssuedKey, keys: Keys, acme: Tenant
) -> None:
    secret = new_secret("project", "development")
    for gateway in gateways:
        assert not gateway.ask(basic(platform), secret).is_active
    with acme.acting("owner") as owner:
        create_api_key(
            organization=acme.organization,
            kind="project",
            name="Imported",
            scopes=["traces:read"],
            actor=owner,
            project=acme.project,
            secret=secret,
        )
    since = time.monotonic()
    for gateway in gateways:
        becomes(lambda gateway=gateway: gateway.ask(basic(platform), secret).is_active, True, since)  # type: ignore[misc]


def test_being_used_announces_nothing(
    superuser: psycopg.Connection, keys: Keys, acme: Tenant, gateways, platform: IssuedKey
) -> None:
    key = keys.project()
    superuser.execute("LISTEN gatehouse_keys")
    superuser.execute(
        "SELECT accounts_touch_keys(%s, %s, %s)", [[key.key.pk, platform.key.pk], [timezone.now()] * 2, [None] * 2]
    )
    assert superuser.execute("SELECT last_used_at FROM accounts_apikey WHERE id = %s", [key.key.pk]).fetchone() != (
        None,
    )
    assert list(superuser.notifies(timeout=0.1)) == []


def listeners(superuser: psycopg.Connection) -> list[int]:
    rows = superuser.execute(
        "SELECT pid FROM pg_stat_activity WHERE application_name = 'gatehouse gateway'"
        " AND datname = current_database() AND query LIKE '%%pg_notify%%'"
    ).fetchall()
    return [pid for (pid,) in rows]


def test_without_notifications_the_database_is_asked_each_time(
    superuser: psycopg.Connection, platform: IssuedKey, keys: Keys, acme: Tenant
) -> None:
    """The listener's session is ended again and again; what is revoked meanwhile is refused at once."""
    with Gateway() as gateway:
        wait_until_trusted(gateway)
        others = set(listeners(superuser))
        tokens = [keys.project() for _ in range(5)]
        for key in tokens:
            assert gateway.ask(basic(platform), key.secret).is_active
            assert gateway.ask(basic(platform), key.secret).is_active
        assert others
        for key in tokens:
            for pid in listeners(superuser):
                superuser.execute("SELECT pg_terminate_backend(%s, 1000)", [pid])
            assert gateway.get("/healthz/ready").status == 200
            assert gateway.ask(basic(platform), key.secret).is_active
            with acme.acting("owner") as owner:
                revoke_api_key(key=key.key, actor=owner, reason="test")
            becomes(lambda key=key: gateway.ask(basic(platform), key.secret).is_active, False, time.monotonic())  # type: ignore[misc]
        wait_until_trusted(gateway)
        fresh = keys.project()
        assert gateway.ask(basic(platform), fresh.secret).is_active
        assert gateway.get("/healthz/ready").json["keys"] > 0


def test_behind_a_transaction_pooler_memory_is_never_trusted(platform: IssuedKey, keys: Keys, acme: Tenant) -> None:
    """Notifications do not come through; no echo comes back, and so the very next check sees a revocation."""
    with (
        pgbouncer() as address,
        Gateway(GATEWAY_DATABASE_URL=database_url(address["HOST"], address["PORT"])) as gateway,
    ):
        for _ in range(12):
            key = keys.project()
            assert gateway.ask(basic(platform), key.secret).is_active
            assert gateway.ask(basic(platform), key.secret).is_active
            with acme.acting("owner") as owner:
                revoke_api_key(key=key.key, actor=owner, reason="test")
            assert not gateway.ask(basic(platform), key.secret).is_active
            ready = gateway.get("/healthz/ready").json
            assert ready["checks"]["memory"] == "not trusted"
            assert ready["keys"] == 0


def test_a_cut_and_a_silent_cable(platform: IssuedKey, keys: Keys) -> None:
    """Without the database nobody is valid: at once when the cable is cut, within a second when it falls silent."""
    socket_path = f"{database.server().socket_directory}/.s.PGSQL.{POSTGRES_PORT}"
    with Cable(socket_path) as cable, Gateway(GATEWAY_DATABASE_URL=database_url("127.0.0.1", cable.port)) as gateway:
        wait_until_trusted(gateway)
        key = keys.project()
        assert gateway.ask(basic(platform), key.secret).is_active
        cable.cut()
        becomes(lambda: gateway.ask(basic(platform), key.secret).status, 200, time.monotonic())
        wait_until_trusted(gateway)
        assert gateway.ask(basic(platform), key.secret).is_active
        cable.silence()
        since = time.monotonic()
        while (reply := gateway.ask(basic(platform), key.secret)).status == 200:
            assert time.monotonic() - since < AT_MOST + 0.2
        assert reply.status == 503
        assert reply.headers["retry-after"] == "1"
        assert gateway.get("/healthz/live").status == 200
        ready = gateway.get("/healthz/ready")
        assert (ready.status, ready.json["checks"]["database"]) == (503, "unreachable")
        cable.restore()
        wait_until_trusted(gateway)
        assert gateway.ask(basic(platform), key.secret).is_active


def test_without_any_database_everything_is_refused(keys: Keys, platform: IssuedKey) -> None:
    with Gateway(GATEWAY_DATABASE_URL=database_url("127.0.0.1", 1)) as gateway:
        reply = gateway.ask(basic(platform), keys.project().secret)
        assert reply.status == 503
        assert reply.json["code"] == "unavailable"
        assert gateway.get("/healthz/ready").status == 503


def test_a_role_that_may_do_too_much_verifies_nothing(keys: Keys, platform: IssuedKey) -> None:
    powerful = database_url().replace("gatehouse_app", "gatehouse_operator")
    with Gateway(GATEWAY_DATABASE_URL=powerful) as gateway:
        assert gateway.ask(basic(platform), keys.project().secret).status == 503
        assert gateway.get("/healthz/ready").json["checks"]["database_role"] == "too powerful"


def test_a_change_while_a_key_is_looked_up_is_not_missed(
    superuser: psycopg.Connection, gateways, platform: IssuedKey, keys: Keys, acme: Tenant
) -> None:
    """Revoked in the very moments in which it is first asked for: a late answer is never kept."""
    for _ in range(20):
        key = keys.project()
        with ThreadPoolExecutor(4) as pool:
            asked = [pool.submit(gateway.ask, basic(platform), key.secret) for gateway in gateways for _ in range(2)]
            with acme.acting("owner") as owner:
                revoke_api_key(key=key.key, actor=owner, reason="test")
            since = time.monotonic()
            assert all(future.result().status == 200 for future in asked)
        for gateway in gateways:
            becomes(lambda gateway=gateway, key=key: gateway.ask(basic(platform), key.secret).is_active, False, since)  # type: ignore[misc]
