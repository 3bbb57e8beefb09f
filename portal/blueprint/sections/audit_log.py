"""How long the audit log is kept."""

from typing import Any, ClassVar

from django.utils import timezone

from audit.retention.policy import retention_of
from audit.services.retention import change_retention
from portal.blueprint.changes import Row, Section
from portal.blueprint.document import Item, Key


class AuditLog(Section):
    """The audit log's retention; there is exactly one entry, and it is never removed."""

    table: ClassVar[str] = "audit_log"
    noun: ClassVar[str] = "retention of the audit log"
    section: ClassVar[str] = ""

    def current(self) -> dict[Key, Row]:
        found = retention_of(self.stage.organization.pk, now=timezone.now())
        # What is announced will count by itself: the file wants nothing more.
        months = found.months if found.next_at is None else found.next_months
        return {self.stage.organization.slug: Row({"retention_months": months}, found)}

    def create(self, key: Key, item: Item) -> Any:
        raise AssertionError("the log is there")

    def update(self, row: Row, values: dict[str, Any], item: Item) -> Any:
        return change_retention(
            organization_id=self.stage.organization.pk, months=values["retention_months"], actor=self.stage.actor
        )

    def remove(self, row: Row) -> Any:
        raise AssertionError("the log is never pruned")
