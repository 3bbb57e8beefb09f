"""The page of an organization's LLM usage: what was used by whom, day by day, and as a file."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse
from django.utils.http import urlencode

from console.access import actor_of, require
from console.sites import ConsoleSite
from gateway.hotpath.usage import ALLOWED
from gateway.services.prices import cents
from gateway.usage_chart import chart_of, short
from gateway.usage_csv import send_usage
from gateway.usage_figures import Figures, Period, by, by_day, hours_in, total, unpriced_models
from gateway.usage_names import names_of_actors, names_of_keys, names_of_projects
from tenants.models import Project
from tenants.permissions import P

PERIODS = {"1": "Today", "7": "7 days", "30": "30 days", "90": "90 days"}
DEFAULT_PERIOD = "30"
_MOST_ROWS = 10
_TABLES: tuple[tuple[str, str, Any], ...] = (
    ("project", "Projects", names_of_projects),
    ("api_key", "API keys", names_of_keys),
    ("model", "Models", None),
    ("actor", "Users and service accounts", names_of_actors),
    ("outcome", "Refusals and errors", None),
)
OUTCOMES = {
    "budget_exceeded": "Budget used up",
    "concurrency_exceeded": "Too many at the same time",
    "counters_unavailable": "Limits could not be counted",
    "credential_missing": "No provider credential",
    "credential_unavailable": "Provider credential not available",
    "key_invalid": "API key not valid",
    "model_not_allowed": "Model not allowed",
    "network_not_allowed": "Network not allowed",
    "organization_suspended": "Organization suspended",
    "permission_missing": "Permission missing",
    "project_suspended": "Project suspended",
    "provider_unknown": "Provider not known",
    "proxy_disabled": "Proxy switched off",
    "rate_limited": "Too many in a minute",
    "token_expired": "Token expired",
    "token_invalid": "Token not valid",
    "token_revoked": "Token revoked",
    "unavailable": "Check not available",
    "upstream_error": "The provider answered with an error",
}


class UsagePages:
    """The pages of usage on the tenant console."""

    def __init__(self, site: ConsoleSite) -> None:
        self.site = site

    def add_pages(self) -> None:
        """Add the pages to the site."""
        self.site.page(
            "llm/usage/",
            name="usage",
            title="Usage",
            permission=None,
            menu=("LLM proxy", 40),
            icon="monitoring",
            description="Requests, tokens and cost by project, key, model and person, refusals included.",
            open_when=_may_see,
        )(self.show)
        self.site.page("llm/usage.csv", name="usage_csv", title="Usage as CSV", permission=None)(self.send)

    def show(self, request: HttpRequest) -> HttpResponse:
        """Show the figures of a period, of every project or of one.

        Raises:
            MissingPermission: the actor may see no usage at all.
        """
        days, project_id, projects = _asked(request)
        period = Period.of_days(int(days))
        hours = hours_in(actor_of(request), period, project_id=project_id)
        whole = total(hours)
        per_day = by_day(hours, period)
        asked = {"days": days, **({"project": str(project_id)} if project_id else {})}
        context = {
            "title": "Usage",
            "periods": [
                {"label": label, "url": f"?{urlencode({**asked, 'days': key})}", "is_chosen": key == days}
                for key, label in PERIODS.items()
            ],
            "days": days,
            "projects": projects,
            "project": str(project_id or ""),
            "total": _cells(whole),
            "charts": [
                chart_of("Cost", per_day, lambda figures: (figures.cost,), _money, ("cost",)),
                chart_of(
                    "Requests",
                    per_day,
                    lambda figures: (figures.requests - figures.denied, figures.denied),
                    lambda number: f"{number:,}",
                    ("allowed", "refused"),
                ),
                chart_of(
                    "Tokens",
                    per_day,
                    lambda figures: (figures.input_tokens, figures.output_tokens),
                    lambda number: f"{number:,}",
                    ("input", "output"),
                ),
            ]
            if whole.requests
            else [],
            "tables": [_table(hours, *table) for table in _TABLES] if whole.requests else [],
            "unpriced": unpriced_models(hours) if whole.tokens else [],
            "csv_url": f"{reverse('console:usage_csv')}?{urlencode(asked)}",
            "limits_url": reverse("console:usage_limits"),
        }
        return self.site.render(request, "gateway/usage.html", context)

    def send(self, request: HttpRequest) -> HttpResponseBase:
        """Send the hours of a period as CSV.

        Raises:
            MissingPermission: the actor may see no usage at all.
        """
        days, project_id, _ = _asked(request)
        return send_usage(
            organization=request.organization,  # type: ignore[attr-defined]
            actor=actor_of(request),
            period=Period.of_days(int(days)),
            project_id=project_id,
        )


def _may_see(request: HttpRequest) -> bool:
    authority: Any = actor_of(request).authority
    return bool(authority.allows_somewhere(P.USAGE_READ))


def _asked(request: HttpRequest) -> tuple[str, UUID | None, list[tuple[str, str]]]:
    """Return the days, the project and the projects to choose from; what is unknown is not asked for."""
    if not _may_see(request):
        require(request, P.USAGE_READ)
    days = request.GET.get("days", DEFAULT_PERIOD)
    visible = Project.objects.visible_to(actor_of(request), P.USAGE_READ).order_by("name")
    projects = [(str(pk), name) for pk, name in visible.values_list("pk", "name")]
    wanted = request.GET.get("project", "")
    project_id = UUID(wanted) if wanted in {pk for pk, _ in projects} else None
    return days if days in PERIODS else DEFAULT_PERIOD, project_id, projects


def _table(hours: Any, dimension: str, title: str, names_of: Any) -> dict[str, Any]:
    found = by(hours, dimension, most=_MOST_ROWS + 1)
    if dimension == "outcome":
        found = [(key, figures) for key, figures in found if key != ALLOWED]
    names = names_of(key for key, _ in found if key) if names_of else {}
    by_cost = dimension != "outcome" and any(figures.cost for _, figures in found)
    most = max((figures.cost if by_cost else figures.requests for _, figures in found), default=0) or 1
    rows = [
        {
            "name": _name(dimension, key, names),
            **_cells(figures),
            "width": (figures.cost if by_cost else figures.requests) * 100 // most,
        }
        for key, figures in found[:_MOST_ROWS]
    ]
    return {
        "title": title,
        "rows": rows,
        "is_refusals": dimension == "outcome",
        "has_more": len(found) > _MOST_ROWS,
    }


def _name(dimension: str, key: Any, names: dict[Any, str]) -> str:
    if dimension == "outcome":
        return OUTCOMES.get(key, str(key))
    if dimension == "model":
        return str(key or "Not named")
    if key is None:
        return "No key (a session or a project's token)" if dimension == "api_key" else "Not known"
    return names.get(key, f"Deleted ({str(key)[:8]})")


def _cells(figures: Figures) -> dict[str, Any]:
    return {
        "requests": f"{figures.requests:,}",
        "denied": f"{figures.denied:,}" if figures.denied else "",
        "input": short(figures.input_tokens),
        "cached": short(figures.cached_tokens) if figures.cached_tokens else "",
        "output": short(figures.output_tokens),
        "tokens": short(figures.tokens),
        "cost": _money(figures.cost),
    }


def _money(amount: int) -> str:
    return f"${cents(amount)}"
