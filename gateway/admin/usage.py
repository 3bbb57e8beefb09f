"""The page of an organization's LLM usage: what was used by whom, day by day, and as a file."""

from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse
from django.utils.http import urlencode

from console.access import actor_of, require
from console.confirm import add_refusal
from console.sites import tenant_site
from gateway.forms.usage import UsageFilterForm
from gateway.hotpath.usage import ALLOWED
from gateway.named_rows import project_named
from gateway.services.prices import cents
from gateway.usage_chart import Chart, chart_of, short
from gateway.usage_csv import send_usage
from gateway.usage_figures import Figures, Period, by, by_day, hours_in, total, unpriced_models
from gateway.usage_names import gone, names_of_actors, names_of_keys, names_of_outcomes, names_of_projects
from isolation.exceptions import DomainError
from tenants.admin.common import authority_of, organization_of, page
from tenants.permissions import P

PERIODS = {"1": "Today", "7": "7 days", "30": "30 days", "90": "90 days"}
DEFAULT_PERIOD = "30"
_MOST_ROWS = 10
_TABLES: tuple[tuple[str, str, Any], ...] = (
    ("project", "Projects", names_of_projects),
    ("api_key", "API keys", names_of_keys),
    ("model", "Models", None),
    ("actor", "Users and service accounts", names_of_actors),
    ("outcome", "Refusals and errors", names_of_outcomes),
)
_NOBODY = {"api_key": "No key (a session)", "model": "Not named"}


def _may_see(request: HttpRequest) -> bool:
    return authority_of(request).allows_somewhere(P.USAGE_READ)


@tenant_site.page(
    "llm/usage/",
    name="usage",
    title="Usage",
    permission=None,
    menu=("LLM proxy", 40),
    icon="monitoring",
    description="Requests, tokens and cost by project, key, model and person, refusals included.",
    open_when=_may_see,
)
def show_usage(request: HttpRequest) -> HttpResponse:
    """Show the figures of a period, of every project or of one.

    Raises:
        MissingPermission: the actor may see no usage at all.
    """
    days, form, project_id = _asked(request)
    period = Period.of_days(int(days))
    hours = hours_in(actor_of(request), period, project_id=project_id)
    whole = total(hours)
    asked = {"days": days, **({"project": str(project_id)} if project_id else {})}
    context = {
        "title": "Usage",
        "periods": [
            {"label": label, "url": f"?{urlencode({**asked, 'days': key})}", "is_chosen": key == days}
            for key, label in PERIODS.items()
        ],
        "days": days,
        "filter": form,
        "total": _cells(whole),
        "charts": _charts(by_day(hours, period)) if whole.requests else [],
        "tables": [_table(hours, *table) for table in _TABLES] if whole.requests else [],
        "unpriced": unpriced_models(hours) if whole.tokens else [],
        "csv_url": f"{reverse('console:usage_csv')}?{urlencode(asked)}",
        "limits_url": reverse("console:usage_limits"),
    }
    return page(tenant_site, request, "gateway/usage.html", context)


@tenant_site.page("llm/usage.csv", name="usage_csv", title="Usage as CSV", permission=None)
def send_file(request: HttpRequest) -> HttpResponseBase:
    """Send the hours of a period as CSV.

    Raises:
        MissingPermission: the actor may see no usage at all.
        Http404: they may not see the usage of such a project.
    """
    days, form, project_id = _asked(request)
    if form.errors:
        raise Http404("There is no such project here.")
    return send_usage(
        organization=organization_of(request),
        actor=actor_of(request),
        period=Period.of_days(int(days)),
        project_id=project_id,
    )


def _asked(request: HttpRequest) -> tuple[str, UsageFilterForm, UUID | None]:
    """Return the days, the form of what is asked for, and the project; what is unknown is not asked for.

    Raises:
        MissingPermission: the actor may see no usage at all.
    """
    if not _may_see(request):
        require(request, P.USAGE_READ)
    days = request.GET.get("days", DEFAULT_PERIOD)
    form = UsageFilterForm(request.GET)
    project_id = None
    if form.is_valid() and (named := form.cleaned_data["project"]):
        try:
            project_id = project_named(actor_of(request), named, P.USAGE_READ).pk
        except DomainError as refusal:
            add_refusal(form, refusal)
    return days if days in PERIODS else DEFAULT_PERIOD, form, project_id


def _charts(days: list[tuple[Any, Figures]]) -> list[Chart]:
    def read_requests(figures: Figures) -> tuple[int, ...]:
        return figures.requests - figures.denied, figures.denied

    def read_tokens(figures: Figures) -> tuple[int, ...]:
        return figures.input_tokens, figures.output_tokens

    return [
        chart_of("Cost", days, lambda figures: (figures.cost,), _money, ("cost",)),
        chart_of("Requests", days, read_requests, "{:,}".format, ("allowed", "refused")),
        chart_of("Tokens", days, read_tokens, "{:,}".format, ("input", "output")),
    ]


def _table(hours: Any, dimension: str, title: str, names_of: Any) -> dict[str, Any]:
    is_refusals = dimension == "outcome"
    found = by(hours, dimension, most=_MOST_ROWS + 2)
    if is_refusals:
        found = [(key, figures) for key, figures in found if key != ALLOWED]
    names = names_of(key for key, _ in found if key) if names_of else {}
    by_cost = not is_refusals and any(figures.cost for _, figures in found)
    most = max((figures.cost if by_cost else figures.requests for _, figures in found), default=0) or 1
    rows = [
        {
            "name": _name(dimension, key, names),
            **_cells(figures),
            "width": (figures.cost if by_cost else figures.requests) * 100 // most,
        }
        for key, figures in found[:_MOST_ROWS]
    ]
    return {"title": title, "rows": rows, "is_refusals": is_refusals, "has_more": len(found) > _MOST_ROWS}


def _name(dimension: str, key: Any, names: dict[Any, str]) -> str:
    if not key:
        return _NOBODY.get(dimension, "Not known")
    if dimension in {"model", "outcome"}:
        return names.get(key, str(key))
    return names.get(key, gone(key))


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
