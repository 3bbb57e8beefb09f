"""Keys of the tests' people."""

from typing import Any

from accounts.key_format import KeyKind
from accounts.models import ServiceAccount
from accounts.services.key_rules import IssuedKey
from accounts.services.platform_keys import create_platform_key
from isolation.actor import SYSTEM
from isolation.context import acting_as
from tests.accounts.keys.stage import make_account, make_key
from tests.people import Tenant


def platform_key(**values: Any) -> IssuedKey:
    """Return a new key of the platform."""
    with acting_as(SYSTEM):
        given: dict[str, Any] = {"name": "Gateway", "actor": SYSTEM} | values
        return create_platform_key(**given)


class Keys:
    """Makes keys of one organization."""

    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant
        self._made = 0

    def project(self, project: Any = None, **values: Any) -> IssuedKey:
        return self._make(KeyKind.PROJECT, project=project or self.tenant.project, **values)

    def organization(self, **values: Any) -> IssuedKey:
        return self._make(KeyKind.ORGANIZATION, **values)

    def personal(self, person: str = "member", **values: Any) -> IssuedKey:
        return self._make(KeyKind.PERSONAL, person=person, **values)

    def service_account(self, account: ServiceAccount, **values: Any) -> IssuedKey:
        return self._make(KeyKind.SERVICE_ACCOUNT, service_account=account, **values)

    def caller(self, **values: Any) -> IssuedKey:
        """Return a key of the organization that may verify its keys."""
        return self.organization(scopes=["api_keys:introspect"], **values)

    def account(self, role: str = "member") -> ServiceAccount:
        """Return a new service account."""
        with self.tenant.acting("owner") as owner:
            self._made += 1
            return make_account(self.tenant, owner, name=f"Robot {self._made}", role=self.tenant.role(role))

    def _make(self, kind: str, *, person: str = "owner", **values: Any) -> IssuedKey:
        self._made += 1
        with self.tenant.acting(person) as actor:
            return make_key(self.tenant, actor, kind, **{"name": f"Key {self._made}", **values})
