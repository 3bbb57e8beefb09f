"""Usage as a file for spreadsheets: a line for each hour, read in batches while it is sent."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC
from typing import Any
from uuid import UUID

from django.http import StreamingHttpResponse
from django.utils import timezone

from audit.formats.csv_lines import line
from console.lists import capped_count
from gateway import signals
from gateway.models import UsageHour
from gateway.services.prices import plain
from gateway.usage_figures import Period, batches, hours_in
from gateway.usage_names import names_of_actors, names_of_keys, names_of_projects
from isolation.actor import Actor
from isolation.scope import continuation
from tenants.models import Organization

LIMIT = 200_000
"""Hours that one file holds at most; the oldest ones of the period."""
COLUMNS = (
    *("hour", "project_id", "project", "api_key_id", "api_key", "actor_type", "actor_id", "actor", "credential_id"),
    *("provider", "model", "outcome", "requests", "input_tokens", "cached_tokens", "output_tokens", "cost_usd"),
)


def send_usage(
    *, organization: Organization, actor: Actor, period: Period, project_id: UUID | None = None
) -> StreamingHttpResponse:
    """Record a download and return the file, which is read while it is sent.

    Args:
        organization: whose usage; its scope is open.
        actor: who gets it: what they may see is what is in it.
        period: of which time.
        project_id: of one project only.
    """
    hours = hours_in(actor, period, project_id=project_id)
    number, truncated = capped_count(hours, LIMIT)
    told = {
        "rows": number,
        "truncated": truncated,
        "since": period.since.isoformat(),
        "until": period.until.isoformat(),
        "project_id": str(project_id) if project_id else None,
    }
    signals.usage_exported.announce(organization, actor=actor, after=told)
    name = f"usage-{organization.slug}-{timezone.now().astimezone(UTC):%Y%m%dT%H%M%SZ}.csv"
    run = continuation()
    return StreamingHttpResponse(
        _lines(batches(hours, run, most=number), run),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )


def _lines(lists: Iterable[Sequence[UsageHour]], run: Any) -> Iterator[str]:
    yield line(COLUMNS)
    for hours in lists:
        names = run(lambda rows=hours: _names(rows))
        yield "".join(line(_cells(hour, names)) for hour in hours)


def _names(hours: Sequence[UsageHour]) -> dict[UUID, str]:
    return {
        **names_of_projects(hour.project_id for hour in hours if hour.project_id),
        **names_of_keys(hour.api_key_id for hour in hours if hour.api_key_id),
        **names_of_actors(hour.actor_id for hour in hours if hour.actor_id),
    }


def _cells(hour: UsageHour, names: dict[UUID, str]) -> list[Any]:
    def known(pk: UUID | None) -> list[str]:
        return [str(pk), names.get(pk, "")] if pk else ["", ""]

    return [
        hour.hour.astimezone(UTC).isoformat(),
        *known(hour.project_id),
        *known(hour.api_key_id),
        hour.actor_type,
        *known(hour.actor_id),
        str(hour.credential_id or ""),
        hour.provider,
        hour.model,
        hour.outcome,
        hour.requests,
        hour.input_tokens,
        hour.cached_tokens,
        hour.output_tokens,
        plain(hour.cost),
    ]
