"""The limits of an organization's LLM usage: list with what is used now, add, change, switch off, delete."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import reverse

from console.access import actor_of, can, require
from console.confirm import ConfirmForm, show_confirmation
from console.sites import tenant_site
from console.suggest import send_suggestions, typed_in
from gateway.counting import Counted, counted
from gateway.forms.usage_limits import LimitForm, NewLimitForm, amount_text, used_text, what_text
from gateway.models import LimitMetric, LimitSubject, UsageLimit
from gateway.named_rows import NOUNS, suggested_subjects
from gateway.services.usage_limits import create_usage_limit, delete_usage_limit, update_usage_limit
from gateway.usage_figures import visible_counts, visible_limits
from gateway.usage_names import subject_labels
from isolation.exceptions import DomainError
from tenants.admin.common import authority_of, organization_of, page
from tenants.permissions import P

_FULL = 100
_WARN = 80
SHOWN_SUBJECTS = 3


def _may_see(request: HttpRequest) -> bool:
    authority = authority_of(request)
    return authority.allows_somewhere(P.USAGE_READ) or authority.allows_somewhere(P.USAGE_LIMITS_MANAGE)


@tenant_site.page(
    "llm/limits/",
    name="usage_limits",
    title="Limits",
    permission=None,
    menu=("LLM proxy", 50),
    icon="speed",
    description="Rate limits and budgets of projects, keys, people and models, and what is used of them.",
    open_when=_may_see,
)
def show_list(request: HttpRequest) -> HttpResponse:
    """Show the limits that the actor may see, each with a bar.

    Raises:
        MissingPermission: the actor may see no usage at all.
    """
    if not _may_see(request):
        require(request, P.USAGE_READ)
    limits = list(visible_limits(actor_of(request)))
    found = counted(organization_of(request).pk, limits)
    shown = visible_counts(actor_of(request), limits, found or {})
    labels = subject_labels(
        [(limit.subject_kind, limit.subject) for limit in limits]
        + [(limit.subject_kind, each.subject) for limit in limits for each in shown.get(limit.pk, [])]
    )
    editable = can(request, P.USAGE_LIMITS_MANAGE)
    context = {
        "title": "Limits",
        "rows": [_row(limit, shown.get(limit.pk, []), labels, editable=editable) for limit in limits],
        "is_away": found is None,
        "add_url": reverse("console:usage_limit_new") if editable else "",
        "usage_url": reverse("console:usage"),
    }
    return page(tenant_site, request, "gateway/limits.html", context)


@tenant_site.page("llm/limits/new/", name="usage_limit_new", title="Add a limit", permission=P.USAGE_LIMITS_MANAGE)
def add_limit(request: HttpRequest) -> HttpResponse:
    """Ask whose use is limited and how far; on POST add the limit."""
    form = NewLimitForm(request.POST if request.method == "POST" else None, actor=actor_of(request))
    if form.is_bound and form.is_valid():
        try:
            limit = create_usage_limit(organization=organization_of(request), actor=actor_of(request), **form.values())
        except DomainError as error:
            form.refuse(error)
        else:
            messages.success(request, f"The limit was added. It counts within a second: {limit}.")
            return HttpResponseRedirect(reverse("console:usage_limits"))
    intro = "Every limit that fits a request must have room for it. An alert is raised at 80 and 100 % of a budget."
    context = {"title": "Add a limit", "intro": intro, "submit": "Add", **_way_back()}
    return page(tenant_site, request, "gateway/limit.html", context, form=form)


@tenant_site.page(
    "llm/limits/suggestions/<slug:kind>/",
    name="usage_limit_suggestions",
    title="Suggestions",
    permission=P.USAGE_LIMITS_MANAGE,
)
def suggest_subjects(request: HttpRequest, kind: str) -> JsonResponse:
    """Send whom a limit may name, while it is typed.

    Raises:
        Http404: nobody of that kind can be named.
    """
    if kind not in NOUNS:
        raise Http404("There is no such kind of subject.")
    return send_suggestions(suggested_subjects(actor_of(request), kind, typed_in(request.GET.get("typed", ""))))


@tenant_site.page("llm/limits/<uuid:pk>/", name="usage_limit", title="Limit", permission=P.USAGE_LIMITS_MANAGE)
def change_limit(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Ask what becomes of a limit; on POST change it.

    Raises:
        Http404: there is no such limit.
    """
    limit = _find(pk)
    form = LimitForm(request.POST if request.method == "POST" else None, limit=limit)
    if form.is_bound and form.is_valid():
        try:
            update_usage_limit(limit=limit, actor=actor_of(request), **form.values())
        except DomainError as error:
            form.refuse(error)
        else:
            messages.success(request, "The limit was changed. It counts within a second.")
            return HttpResponseRedirect(reverse("console:usage_limits"))
    labels = subject_labels([(limit.subject_kind, limit.subject)])
    context = {
        "title": what_text(limit),
        "subtitle": _whose(limit, labels),
        "submit": "Save",
        "delete_url": reverse("console:usage_limit_delete", args=[pk]),
        **_way_back(),
    }
    return page(tenant_site, request, "gateway/limit.html", context, form=form)


@tenant_site.page(
    "llm/limits/<uuid:pk>/delete/", name="usage_limit_delete", title="Delete", permission=P.USAGE_LIMITS_MANAGE
)
def delete_limit(request: HttpRequest, pk: UUID) -> HttpResponse:
    """Ask; on POST delete a limit.

    Raises:
        Http404: there is no such limit.
    """
    limit = _find(pk)
    form = ConfirmForm.build(request)
    if request.method == "POST" and form.is_valid():
        delete_usage_limit(limit=limit, actor=actor_of(request))
        messages.success(request, "The limit was deleted.")
        return HttpResponseRedirect(reverse("console:usage_limits"))
    return show_confirmation(
        tenant_site,
        request,
        title=f"Delete “{limit}”",
        form=form,
        cancel_url=reverse("console:usage_limit", args=[pk]),
        message="Requests are no longer held to it. To keep it for later, switch it off instead.",
        submit="Delete",
    )


def _way_back() -> dict[str, Any]:
    url = reverse("console:usage_limits")
    return {"breadcrumbs": [{"title": "Limits", "url": url}], "back_url": url}


def _find(pk: UUID) -> UsageLimit:
    limit: UsageLimit | None = UsageLimit.objects.filter(pk=pk).first()
    if limit is None:
        raise Http404("There is no such limit here.")
    return limit


def _whose(limit: UsageLimit, labels: dict[tuple[str, str], str]) -> str:
    if not limit.counts_each:
        return labels[limit.subject_kind, limit.subject]
    each = str(limit).rpartition(": ")[2]
    return f"{each[0].upper()}{each[1:]}"


def _row(
    limit: UsageLimit, found: list[Counted], labels: dict[tuple[str, str], str], *, editable: bool
) -> dict[str, Any]:
    bars = [
        {
            "label": labels.get((limit.subject_kind, one.subject), one.subject) if limit.counts_each else "",
            "used": used_text(limit, one.used),
            "percent": one.percent,
            "width": min(one.percent, _FULL),
            "tone": "full" if one.percent >= _FULL else "high" if one.percent >= _WARN else "low",
        }
        for one in found[:SHOWN_SUBJECTS]
    ]
    says_kind = not limit.counts_each and limit.subject_kind != LimitSubject.ORGANIZATION
    unit = "$" if limit.metric == LimitMetric.COST else ""
    return {
        "limit": limit,
        "whose": _whose(limit, labels),
        "kind": limit.get_subject_kind_display() if says_kind else "",
        "what": what_text(limit),
        "amount": f"{unit}{amount_text(limit)}",
        "unit": unit,
        "bars": bars,
        "url": reverse("console:usage_limit", args=[limit.pk]) if editable else "",
    }
