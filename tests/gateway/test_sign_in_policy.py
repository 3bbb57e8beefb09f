"""People's own keys follow their organization's sign-in policy, in every process, within a second."""

import time

import pytest

from accounts.models import SsoIdentity
from accounts.services.key_rules import IssuedKey
from accounts.services.sign_in_policy import add_sign_in_exception, update_sign_in_policy
from accounts.services.sso_connections import unlink_identity
from isolation.actor import SYSTEM
from isolation.context import acting_as
from isolation.scope import tenant_scope
from tenants.services.domains import confirm_domain
from tests.accounts.factors import give_totp
from tests.gateway.process import Gateway, basic
from tests.gateway.stage import Keys
from tests.gateway.test_invalidation import becomes
from tests.people import Tenant
from tests.sso.stored import stored_connection


def require(tenant: Tenant, whom: str) -> None:
    """Require single sign-on; the tenant's member has come by it, its owner is the break-glass owner."""
    with tenant.acting("owner") as actor:
        connection = stored_connection(tenant, tenant.membership("member"), tenant.role("viewer"), SYSTEM)
        type(connection).objects.filter(pk=connection.pk).update(is_enabled=True)
        give_totp(tenant.owner)
        update_sign_in_policy(
            organization=tenant.organization, sso_required=whom, break_glass=tenant.membership("owner"), actor=actor
        )


def active(gateway: Gateway, platform: IssuedKey, key: IssuedKey, **parameters: str) -> bool:
    """Return whether a gateway calls the key valid."""
    return gateway.ask(basic(platform), key.secret, **parameters).is_active


@pytest.mark.parametrize("whom", ["domains", "everybody"])
def test_keys_wait_for_their_person_to_come_by_single_sign_on(
    gateways: tuple[Gateway, Gateway], platform: IssuedKey, keys: Keys, acme: Tenant, whom: str
) -> None:
    with tenant_scope(acme.organization), acting_as(SYSTEM):
        confirm_domain(organization=acme.organization, name="acme.example", reason="Theirs", actor=SYSTEM)
    came, never, robots = keys.personal("member"), keys.personal("admin"), keys.organization()
    gateway = gateways[0]
    assert all(active(one, platform, key) for one in gateways for key in (came, never, robots))
    require(acme, whom)
    for one in gateways:
        becomes(lambda one=one: active(one, platform, never), False, time.monotonic())  # type: ignore[misc]
    assert active(gateway, platform, came)
    assert active(gateway, platform, robots)
    with acme.acting("owner") as actor:
        add_sign_in_exception(membership=acme.membership("admin"), reason="Scripts", actor=actor)
    becomes(lambda: active(gateway, platform, never), True, time.monotonic())
    with acme.acting("owner") as actor:
        unlink_identity(identity=SsoIdentity.objects.get(), actor=actor)
    becomes(lambda: active(gateway, platform, came), False, time.monotonic())


def test_domains_leave_other_addresses_alone(gateway: Gateway, platform: IssuedKey, keys: Keys, acme: Tenant) -> None:
    with tenant_scope(acme.organization), acting_as(SYSTEM):
        confirm_domain(organization=acme.organization, name="other.example", reason="Theirs", actor=SYSTEM)
    key = keys.personal("admin")
    require(acme, "domains")
    assert active(gateway, platform, key)


def test_another_organizations_policy_is_not_asked(
    gateway: Gateway, platform: IssuedKey, acme: Tenant, globex: Tenant
) -> None:
    key = Keys(globex).personal("owner")
    require(acme, "everybody")
    assert active(gateway, platform, key)


def test_networks_bind_peoples_own_keys(gateway: Gateway, platform: IssuedKey, keys: Keys, acme: Tenant) -> None:
    own, robots = keys.personal("member"), keys.organization()
    with tenant_scope(acme.organization), acting_as(SYSTEM):
        update_sign_in_policy(organization=acme.organization, allowed_networks=["10.0.0.0/8"], actor=SYSTEM)
    becomes(lambda: active(gateway, platform, own, client_ip="203.0.113.1"), False, time.monotonic())
    assert active(gateway, platform, own, client_ip="10.1.2.3")
    assert active(gateway, platform, robots, client_ip="203.0.113.1")
