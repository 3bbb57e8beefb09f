"""What the console tells of a connection at a glance, in a fixed number of statements."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery

from tenants.models import GroupRole
from tenants.selectors import number_of

from .models import ProvisionedGroup, ProvisionedUser, ScimConnection, ScimRequest, ScimToken

FAILED_FROM = 400
"""The first HTTP status that means failure."""


@dataclass(frozen=True, slots=True)
class ConnectionFigures:
    """What has come through one connection.

    Attributes:
        active, inactive, waiting: people who are members, who are not at present, and who have not joined yet.
        mapped, unmapped: groups that give a role, and groups that give nothing.
        last_request: the newest request, or None.
        last_failure: the newest that failed, or None.
    """

    active: int
    inactive: int
    waiting: int
    mapped: int
    unmapped: int
    last_request: ScimRequest | None
    last_failure: ScimRequest | None


def with_figures(connections: "QuerySet[Any]") -> "QuerySet[Any]":
    """Return the connections, each with the numbers and the last request that a row of the list shows."""
    latest = ScimRequest.objects.filter(connection=OuterRef("pk")).order_by("-time", "-id")
    described: QuerySet[Any] = connections.select_related("role").annotate(
        people_count=number_of(ProvisionedUser.objects.all(), "connection_id"),
        group_count=number_of(ProvisionedGroup.objects.all(), "connection_id"),
        token_count=number_of(ScimToken.objects.active(), "connection_id"),
        last_time=Subquery(latest.values("time")[:1]),
        last_status=Subquery(latest.values("status")[:1]),
    )
    return described


def figures_of(connection: ScimConnection) -> ConnectionFigures:
    """Return what a connection's page tells, in four statements."""
    people = ProvisionedUser.objects.filter(connection=connection).aggregate(
        joined=Count("pk", filter=Q(active=True, membership__isnull=False)),
        ended=Count("pk", filter=Q(active=False)),
        waiting=Count("pk", filter=Q(active=True, membership=None)),
    )
    groups = (
        ProvisionedGroup.objects.filter(connection=connection)
        .annotate(has_role=Exists(GroupRole.objects.filter(group=OuterRef("group"))))
        .aggregate(
            mapped=Count("pk", filter=Q(has_role=True)),
            unmapped=Count("pk", filter=Q(has_role=False)),
        )
    )
    requests = ScimRequest.objects.filter(connection=connection).order_by("-time", "-id")
    return ConnectionFigures(
        active=people["joined"],
        inactive=people["ended"],
        waiting=people["waiting"],
        **groups,
        last_request=requests.first(),
        last_failure=requests.filter(status__gte=FAILED_FROM).first(),
    )
