"""Domains that an organization says are its own."""

from typing import Any, ClassVar

from portal.blueprint.changes import Row, Section
from portal.blueprint.document import Item, Key
from tenants.models import Domain, DomainMethod
from tenants.services.domains import claim_domain, confirm_domain, remove_domain, withdraw_domain

_NO_MORE = "The blueprint confirms it no more"


class Domains(Section):
    """Domains by name. They are proven by their record, which is looked for each day, or by the installation's word."""

    table: ClassVar[str] = "domains"
    noun: ClassVar[str] = "domain"
    section: ClassVar[str] = "domains"

    def current(self) -> dict[Key, Row]:
        return {
            domain.name: Row({"confirmed": domain.reason if domain.method == DomainMethod.OPERATOR else None}, domain)
            for domain in Domain.objects.order_by("name")
        }

    def create(self, key: Key, item: Item) -> Any:
        if reason := item.values.get("confirmed"):
            return self._confirmed(str(key), reason)
        return claim_domain(organization=self.stage.organization, name=str(key), actor=self.stage.actor)

    def update(self, row: Row, values: dict[str, Any], item: Item) -> Any:
        if values["confirmed"]:
            return self._confirmed(row.stored.name, values["confirmed"])
        return withdraw_domain(domain=row.stored, reason=_NO_MORE, actor=self.stage.actor)

    def remove(self, row: Row) -> Any:
        return remove_domain(domain=row.stored, actor=self.stage.actor)

    def _confirmed(self, name: str, reason: str) -> Domain:
        return confirm_domain(organization=self.stage.organization, name=name, reason=reason, actor=self.stage.actor)
