"""Domains that an organization says are its own."""

from collections.abc import Iterator
from functools import partial
from typing import Any, ClassVar

from portal.blueprint.changes import Change, Row, Section, Verb
from portal.blueprint.document import Item, Key
from tenants.dns_records import Outcome
from tenants.models import Domain, DomainMethod
from tenants.services.domains import (
    claim_domain,
    confirm_domain,
    record_of,
    remove_domain,
    verify_domain,
    withdraw_domain,
)

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

    def absent(self, key: Key, item: Item) -> Iterator[Change]:
        """Yield the claim; its record is not known before."""
        yield from super().absent(key, item)
        if item.values.get("verified") and not item.values.get("confirmed"):
            self.stage.warn(
                item.path,
                f"{key} is claimed first. Publish the record that `manage.py sso_connection domains` prints then, and "
                "apply the file again.",
            )

    def present(self, key: Key, item: Item, row: Row) -> Iterator[Change]:
        """Yield how the domain must change; one that is to be verified is looked for now, as by the page's button."""
        yield from super().present(key, item, row)
        domain = row.stored
        if not item.values.get("verified") or item.values.get("confirmed") or domain.is_verified:
            return
        finding = record_of(domain)
        if finding.outcome is not Outcome.FOUND:
            self.stage.warn(item.path, finding.text)
            return
        run = partial(verify_domain, domain=domain, actor=self.stage.actor)
        yield Change(Verb.UPDATE, self.noun, self.label(key), {"verified": (False, True)}, item.path, run)

    def initial(self, key: Key, item: Item) -> dict[str, Any]:
        """Return the fields of a new entry: verified is what comes later."""
        return {name: value for name, value in item.values.items() if name != "verified"}

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
