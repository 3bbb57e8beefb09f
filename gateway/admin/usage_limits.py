"""The limits of an organization's LLM usage: list with what is used now, add, change, switch off, delete."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from accounts.models import ApiKey, ServiceAccount
from console.access import actor_of, can, require
from console.confirm import ConfirmForm, show_confirmation
from console.sites import ConsoleSite
from gateway.counting import Counted, counted
from gateway.forms.usage_limits import Choices, LimitForm, NewLimitForm, amount_text, used_text, what_text
from gateway.models import LimitSubject, UsageLimit
from gateway.services.usage_limits import create_usage_limit, delete_usage_limit, update_usage_limit
from gateway.usage_figures import visible_counts, visible_limits
from gateway.usage_names import subject_labels
from isolation.exceptions import DomainError
from tenants.models import Membership, Project
from tenants.permissions import P

_REFUSED = 422
_FULL = 100
_WARN = 80
SHOWN_SUBJECTS = 3
MOST_CHOICES = 1_000


class UsageLimitPages:
    """The pages of limits on the tenant console."""

    def __init__(self, site: ConsoleSite) -> None:
        self.site = site

    def add_pages(self) -> None:
        """Add the pages to the site; all but the first are reached from it."""

        def add(route: str, name: str, title: str, view: Any, **more: Any) -> None:
            self.site.page(f"llm/limits/{route}", name=name, title=title, permission=None, **more)(view)

        add(
            "",
            "usage_limits",
            "Limits",
            self.show_list,
            menu=("LLM proxy", 50),
            icon="speed",
            description="Rate limits and budgets of projects, keys, people and models, and what is used of them.",
            open_when=_may_see,
        )
        add("new/", "usage_limit_new", "Add a limit", self.add_limit)
        add("<uuid:pk>/", "usage_limit", "Limit", self.change)
        add("<uuid:pk>/delete/", "usage_limit_delete", "Delete", self.delete)

    def show_list(self, request: HttpRequest) -> HttpResponse:
        """Show the limits that the actor may see, each with a bar.

        Raises:
            MissingPermission: the actor may see no usage at all.
        """
        if not _may_see(request):
            require(request, P.USAGE_READ)
        limits = list(visible_limits(actor_of(request)))
        found = counted(request.organization.pk, limits)  # type: ignore[attr-defined]
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
        return self.site.render(request, "gateway/limits.html", context)

    def add_limit(self, request: HttpRequest) -> HttpResponse:
        """Ask whose use is limited and how far; on POST add the limit.

        Raises:
            MissingPermission: the actor may not.
        """
        require(request, P.USAGE_LIMITS_MANAGE)
        form = NewLimitForm(request.POST if request.method == "POST" else None, **_choices(request))
        if form.is_bound and form.is_valid():
            try:
                limit = create_usage_limit(
                    organization=request.organization,  # type: ignore[attr-defined]
                    actor=actor_of(request),
                    **form.values(),
                )
            except DomainError as error:
                form.refuse(error)
            else:
                messages.success(request, f"The limit was added. It counts within a second: {limit}.")
                return HttpResponseRedirect(reverse("console:usage_limits"))
        intro = "Every limit that fits a request must have room for it. An alert is raised at 80 and 100 % of a budget."
        return self._form(request, form, {"title": "Add a limit", "intro": intro, "submit": "Add"})

    def change(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Ask what becomes of a limit; on POST change it.

        Raises:
            MissingPermission: the actor may not.
            Http404: there is no such limit.
        """
        require(request, P.USAGE_LIMITS_MANAGE)
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
        label = subject_labels([(limit.subject_kind, limit.subject)]).get((limit.subject_kind, limit.subject), "")
        context = {
            "title": what_text(limit),
            "subtitle": label or str(limit).rpartition(": ")[2].capitalize(),
            "submit": "Save",
            "delete_url": reverse("console:usage_limit_delete", args=[pk]),
        }
        return self._form(request, form, context)

    def delete(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Ask; on POST delete a limit.

        Raises:
            MissingPermission: the actor may not.
            Http404: there is no such limit.
        """
        require(request, P.USAGE_LIMITS_MANAGE)
        limit = _find(pk)
        form = ConfirmForm.build(request)
        if request.method == "POST" and form.is_valid():
            delete_usage_limit(limit=limit, actor=actor_of(request))
            messages.success(request, "The limit was deleted.")
            return HttpResponseRedirect(reverse("console:usage_limits"))
        return show_confirmation(
            self.site,
            request,
            title=f"Delete “{limit}”",
            form=form,
            cancel_url=reverse("console:usage_limit", args=[pk]),
            message="Requests are no longer held to it. To keep it for later, switch it off instead.",
            submit="Delete",
        )

    def _form(self, request: HttpRequest, form: Any, context: dict[str, Any]) -> HttpResponse:
        shown = {
            "form": form,
            "breadcrumbs": [{"title": "Limits", "url": reverse("console:usage_limits")}],
            "back_url": reverse("console:usage_limits"),
        }
        status = _REFUSED if form.is_bound else 200
        return self.site.render(request, "gateway/limit.html", {**shown, **context}, status=status)


def _may_see(request: HttpRequest) -> bool:
    authority: Any = actor_of(request).authority
    return bool(authority.allows_somewhere(P.USAGE_READ) or authority.allows_somewhere(P.USAGE_LIMITS_MANAGE))


def _find(pk: UUID) -> UsageLimit:
    limit: UsageLimit | None = UsageLimit.objects.filter(pk=pk).first()
    if limit is None:
        raise Http404("There is no such limit here.")
    return limit


def _choices(request: HttpRequest) -> dict[str, Choices]:
    """Return whom the actor may name: what they may see elsewhere in the console."""
    actor = actor_of(request)
    projects = Project.objects.visible_to(actor).order_by("name").values_list("pk", "name")
    keys = ApiKey.objects.visible_to(actor).active().order_by("name").values_list("pk", "name", "public_id")
    actors: list[tuple[Any, str]] = []
    if actor.can(P.MEMBERS_READ):
        actors += Membership.objects.order_by("user__email").values_list("user_id", "user__email")[:MOST_CHOICES]
    if actor.can(P.SERVICE_ACCOUNTS_READ):
        actors += ServiceAccount.objects.order_by("name").values_list("pk", "name")[:MOST_CHOICES]
    return {
        "projects": [(str(pk), name) for pk, name in projects[:MOST_CHOICES]],
        "keys": [(str(pk), f"{name} ({public_id})") for pk, name, public_id in keys[:MOST_CHOICES]],
        "actors": [(str(pk), name) for pk, name in actors],
    }


def _row(
    limit: UsageLimit, found: list[Counted], labels: dict[tuple[str, str], str], *, editable: bool
) -> dict[str, Any]:
    is_each = not limit.subject and limit.subject_kind != LimitSubject.ORGANIZATION
    each = str(limit).rpartition(": ")[2]
    bars = [
        {
            "label": labels.get((limit.subject_kind, one.subject), one.subject) if is_each else "",
            "used": used_text(limit, one.used),
            "percent": one.percent,
            "width": min(one.percent, _FULL),
            "tone": "full" if one.percent >= _FULL else "high" if one.percent >= _WARN else "low",
        }
        for one in found[:SHOWN_SUBJECTS]
    ]
    return {
        "limit": limit,
        "whose": f"{each[0].upper()}{each[1:]}" if is_each else labels[limit.subject_kind, limit.subject],
        "kind": "" if is_each or limit.subject_kind == LimitSubject.ORGANIZATION else limit.get_subject_kind_display(),
        "what": what_text(limit),
        "amount": ("$" if limit.metric == "cost" else "") + amount_text(limit),
        "unit": "$" if limit.metric == "cost" else "",
        "bars": bars,
        "url": reverse("console:usage_limit", args=[limit.pk]) if editable else "",
    }
