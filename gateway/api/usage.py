"""LLM usage: sums of a period, and the hours as a file."""

from datetime import timedelta
from typing import Any

from django.http import StreamingHttpResponse
from rest_framework import serializers

from api.operation import AUTHENTICATED, Filter, listing, operation
from api.serializers import Answer
from api.views import ApiView, OrganizationView
from gateway.models import Price, Provider
from gateway.usage_csv import send_usage
from gateway.usage_figures import DIMENSIONS, LONGEST_PERIOD, Period, by, by_day, hours_in, total
from gateway.usage_names import names_of_actors, names_of_keys, names_of_projects
from isolation.exceptions import DomainError
from tenants.permissions import P

from .usage_limits import TAG

_NAMES: dict[str, Any] = {"project": names_of_projects, "api_key": names_of_keys, "actor": names_of_actors}
_GROUPS = ("day", *DIMENSIONS)
PERIOD: dict[str, Filter] = {
    "since": Filter(serializers.DateTimeField(help_text="Begin of the period; 30 days ago when left out.")),
    "until": Filter(serializers.DateTimeField(help_text="End of the period, not included; now when left out.")),
    "project": Filter(serializers.UUIDField(help_text="Of this project only.")),
}


class FiguresAnswer(Answer):
    """Sums."""

    requests = serializers.IntegerField(help_text="Those that were refused included.")
    denied = serializers.IntegerField(help_text="Those that were refused.")
    input_tokens = serializers.IntegerField(help_text="The cached ones included.")
    cached_tokens = serializers.IntegerField()
    output_tokens = serializers.IntegerField()
    cost = serializers.IntegerField(help_text="Millionths of a US dollar, by the price of each moment.")


class UsageGroupAnswer(Answer):
    """The sums of one group."""

    key = serializers.CharField(allow_null=True, help_text="An id, a name, or the day's begin (UTC); null for nobody.")
    name = serializers.CharField(help_text="What people call it.")
    figures = FiguresAnswer()


class UsageAnswer(Answer):
    """What was used."""

    since = serializers.DateTimeField()
    until = serializers.DateTimeField()
    total = FiguresAnswer()
    groups = UsageGroupAnswer(many=True, help_text="The most expensive first, 100 at most; days in their order.")


class PriceAnswer(Answer):
    """A price."""

    id = serializers.IntegerField()
    provider = serializers.ChoiceField(choices=Provider.choices)
    model = serializers.CharField(help_text="A name or a pattern; the longest that fits counts.")
    input = serializers.IntegerField(help_text="Millionths of a US dollar for a million tokens of a prompt.")
    cached_input = serializers.IntegerField(help_text="The same for those that the provider had in its cache.")
    output = serializers.IntegerField(help_text="The same for tokens of an answer.")
    valid_from = serializers.DateTimeField()


FIGURES = {
    "requests": 1_204,
    "denied": 12,
    "input_tokens": 2_310_000,
    "cached_tokens": 640_000,
    "output_tokens": 410_000,
    "cost": 9_075_000,
}
EXAMPLE = {
    "since": "2026-03-01T00:00:00Z",
    "until": "2026-03-31T00:00:00Z",
    "total": FIGURES,
    "groups": [{"key": "gpt-4o", "name": "gpt-4o", "figures": FIGURES}],
}
PRICE_EXAMPLE = {
    "id": 7,
    "provider": "openai",
    "model": "gpt-4o*",
    "input": 2_500_000,
    "cached_input": 1_250_000,
    "output": 10_000_000,
    "valid_from": "2025-11-01T00:00:00Z",
}


class Usage(OrganizationView):
    """The usage of an organization."""

    tag = TAG

    @operation(
        "getUsage",
        "Return what was used",
        permission=P.USAGE_READ,
        anywhere=True,
        response=UsageAnswer,
        filters={
            **PERIOD,
            "api_key": Filter(serializers.UUIDField(help_text="Of this key only.")),
            "model": Filter(serializers.CharField(max_length=120, help_text="Of exactly this model.")),
            "group_by": Filter(serializers.ChoiceField(choices=_GROUPS, help_text="Sums of what; day when left out.")),
        },
        example=EXAMPLE,
    )
    def get(self) -> dict[str, Any]:
        """Who may see the usage of some projects only gets the sums of these. Figures are a few seconds old."""
        period = _period(self.query)
        hours = hours_in(
            self.actor,
            period,
            project_id=self.query.get("project"),
            key_id=self.query.get("api_key"),
            model=self.query.get("model", ""),
        )
        group_by = self.query.get("group_by", "day")
        if group_by == "day":
            groups = [
                {"key": day.isoformat(), "name": f"{day:%Y-%m-%d}", "figures": figures}
                for day, figures in by_day(hours, period)
            ]
        else:
            groups = _groups(hours, group_by)
        return {"since": period.since, "until": period.until, "total": total(hours), "groups": groups}


class UsageFile(OrganizationView):
    """The usage as a file."""

    tag = TAG

    @operation(
        "exportUsage",
        "Download usage as CSV",
        permission=P.USAGE_READ,
        anywhere=True,
        media_types=["text/csv"],
        filters=PERIOD,
    )
    def get(self) -> StreamingHttpResponse:
        """A line for each hour, project, key, actor, credential, model and outcome; the download itself is an event."""
        return send_usage(
            organization=self.organization,
            actor=self.actor,
            period=_period(self.query),
            project_id=self.query.get("project"),
        )


class Prices(ApiView):
    """The installation's price table."""

    tag = TAG

    @listing(
        "listModelPrices",
        "List the prices of models",
        permission=AUTHENTICATED,
        response=PriceAnswer,
        filters={
            "provider": Filter(serializers.ChoiceField(choices=Provider.choices, help_text="Of this one."), "provider"),
            "model": Filter(serializers.CharField(max_length=120, help_text="Of exactly this name."), "model"),
        },
        ordering={"valid_from": "valid_from"},
        default_ordering="-valid_from",
        example=PRICE_EXAMPLE,
    )
    def get(self) -> Any:
        """Each price counts from its moment on. Operators of the installation add newer ones in their console."""
        return Price.objects.all()


def _period(query: Any) -> Period:
    default = Period.of_days(30)
    period = Period(query.get("since", default.since), query.get("until", default.until))
    if not timedelta(0) < period.until - period.since <= LONGEST_PERIOD:
        raise DomainError(
            f"The period is empty, or longer than {LONGEST_PERIOD.days} days. Choose another “since” or “until”.",
            field="until",
            code="invalid",
        )
    return period


def _groups(hours: Any, dimension: str) -> list[dict[str, Any]]:
    found = by(hours, dimension)
    names = _NAMES[dimension](key for key, _ in found if key) if dimension in _NAMES else {}
    return [
        {"key": str(key) if key else None, "name": str(names.get(key, key or "")), "figures": figures}
        for key, figures in found
    ]
