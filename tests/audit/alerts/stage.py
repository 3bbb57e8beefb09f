"""What the tests of alerts share: events that happened some minutes ago, evaluation, and a look at what was raised."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import connections
from django.test.utils import CaptureQueriesContext

from audit.alerts.claims import wake
from audit.alerts.evaluation import evaluate
from audit.models import Alert, AlertCursor, AlertNotice, Event
from audit.sealing.sealer import seal
from isolation.scope import APP, INSTALLATION, tenant_scope
from tests.audit.events import write
from tests.people import Tenant

ADA, GRACE = UUID(int=1), UUID(int=2)
BERLIN, TOKYO, HOME = "203.0.113.7", "198.51.100.9", "192.0.2.4"


def happened(tenant: Tenant | None, action: str, ago: float = 0, **values: Any) -> Event:
    """Write an event that happened some minutes ago; None is the installation's log."""
    organization_id = None if tenant is None else tenant.organization.pk
    return write(organization_id, action=action, ago=timedelta(minutes=ago), **values)


def signed_in_from(tenant: Tenant | None, ip: str, ago: float = 0, who: UUID = ADA, **values: Any) -> Event:
    """Let somebody sign in."""
    label = "ada@acme.example" if who == ADA else f"{who.int}@acme.example"
    values = {"actor_id": who, "actor_label": label, "ip": ip, "target_type": "user", **values}
    return happened(tenant, "user.signed_in", ago, target_id=str(who), target_label=label, **values)


def failed_from(tenant: Tenant | None, ip: str, ago: float = 0, who: UUID = ADA) -> Event:
    """Let somebody type a wrong password."""
    values: dict[str, Any] = {"actor_kind": "anonymous", "actor_label": "anonymous", "outcome": "failed"}
    label = f"{who.int}@acme.example"
    return happened(tenant, "user.sign_in_failed", ago, ip=ip, target_id=str(who), target_label=label, **values)


def evaluated() -> int:
    """Seal what happened and look for alerts; return how many turns there were."""
    seal()
    wake()
    return evaluate(30)


def alerts_of(tenant: Tenant | None, rule: str = "") -> list[Alert]:
    """Return what was raised, the oldest first."""
    with tenant_scope(INSTALLATION if tenant is None else tenant.organization):
        found = Alert.objects.order_by("started_at", "id")
        return list(found.filter(rule=rule) if rule else found)


def raised(tenant: Tenant | None, rule: str) -> list[Alert]:
    """Evaluate, and return what a rule has raised."""
    evaluated()
    return alerts_of(tenant, rule)


def notices_of(tenant: Tenant) -> Sequence[AlertNotice]:
    """Return what was or will be sent."""
    with tenant_scope(tenant.organization):
        return list(AlertNotice.objects.select_related("alert", "channel"))


def from_the_beginning(tenant: Tenant | None) -> None:
    """Let evaluation look at a whole log again, as after a mistake in its cursor."""
    with tenant_scope(INSTALLATION if tenant is None else tenant.organization):
        AlertCursor.objects.update(
            next_seq=0, lease=None, leased_until=None, retry_at=None, waiting_since="2026-01-01T00:00Z"
        )


def statements(work: Any) -> int:
    """Return how many statements the app's connection runs."""
    with CaptureQueriesContext(connections[APP]) as queries:
        work()
    return len(queries)
