"""Saved searches: list, save, rename, share, delete."""

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect

from audit.forms import SavedSearchForm
from audit.models import SavedSearch
from audit.querysets import READ
from audit.services.saved_searches import delete_search, may_change, save_search, update_search
from console.access import actor_of
from isolation.actor import ActorKind
from isolation.exceptions import DomainError

from .base import LogPages

_REFUSED = 422


class SearchPages(LogPages):
    """The pages of saved searches; operators, whose log is no organization's, have none."""

    def add_search_pages(self) -> None:
        """Add the pages to the site."""
        self.site.page("audit/searches/", name="audit_searches", title="Saved searches", permission=None)(
            self.show_searches
        )
        self.site.page("audit/searches/new/", name="audit_search_new", title="Save this search", permission=None)(
            self.add_search
        )
        self.site.page("audit/searches/<uuid:pk>/", name="audit_search", title="Saved search", permission=None)(
            self.change_search
        )

    def saved(self, request: HttpRequest) -> dict[str, Any]:
        """Return what the list shows of saved searches."""
        searches = list(SavedSearch.objects.visible_to(actor_of(request)))
        for search in searches:
            search.url = self.found_by(search.query)
        can_save = actor_of(request).kind is not ActorKind.OPERATOR
        return {
            "searches": searches,
            "searches_url": self.url("audit_searches"),
            "save_url": self.url("audit_search_new") if can_save else "",
        }

    def show_searches(self, request: HttpRequest) -> HttpResponse:
        """Show the searches that the actor sees.

        Raises:
            MissingPermission: the actor may read no part of the log.
        """
        self.demand(request)
        context = self.saved(request)
        for search in context["searches"]:
            if may_change(search, actor_of(request)) and context["save_url"]:
                search.change_url = self.url("audit_search", search.pk)
        context |= {"title": "Saved searches", "breadcrumbs": self.crumbs(), "log_url": self.url("audit_log")}
        return self.site.render(request, "audit/searches.html", context)

    def add_search(self, request: HttpRequest) -> HttpResponse:
        """Ask for a name; on POST keep the query under it.

        Raises:
            MissingPermission: the actor may read no part of the log.
        """
        self.demand(request)
        initial = {"query": request.GET.get("q", "")}
        form = self._form(request, initial)
        if request.method == "POST" and form.is_valid():
            organization_id: UUID = request.organization.pk  # type: ignore[attr-defined]
            try:
                kept = save_search(organization_id=organization_id, actor=actor_of(request), **form.cleaned_data)
            except DomainError as error:
                form.refuse(error)
            else:
                messages.success(request, f"The search “{kept}” is kept.")
                return HttpResponseRedirect(self.found_by(kept.query))
        back = f"{self.url('audit_log')}?{urlencode(initial)}"
        return self._page(request, form, {"title": "Save this search", "back_url": back})

    def change_search(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Show a search's form; on POST change or delete it.

        Raises:
            Http404: there is none that the actor sees.
            MissingPermission: the actor may read no part of the log.
            PermissionDenied: it is somebody else's.
        """
        self.demand(request)
        actor = actor_of(request)
        search = SavedSearch.objects.visible_to(actor).filter(pk=pk).first()
        if search is None:
            raise Http404("There is no such search here.")
        if request.method == "POST" and not may_change(search, actor):
            raise PermissionDenied("This search is somebody else's.")
        if request.method == "POST" and "delete" in request.POST:
            delete_search(search=search, actor=actor)
            messages.success(request, f"The search “{search}” is deleted.")
            return HttpResponseRedirect(self.url("audit_searches"))
        form = self._form(request, {name: getattr(search, name) for name in ("name", "query", "is_shared")})
        if request.method == "POST" and form.is_valid():
            try:
                update_search(search=search, actor=actor, **form.cleaned_data)
            except DomainError as error:
                form.refuse(error)
            else:
                messages.success(request, "The search is changed.")
                return HttpResponseRedirect(self.url("audit_searches"))
        context = {
            "title": search.name,
            "back_url": self.url("audit_searches"),
            "search": search,
            "may_change": may_change(search, actor),
        }
        return self._page(request, form, context)

    def _form(self, request: HttpRequest, initial: dict[str, Any]) -> SavedSearchForm:
        data = request.POST if request.method == "POST" else None
        return SavedSearchForm(data, initial=initial, may_share=actor_of(request).can(READ))

    def _page(self, request: HttpRequest, form: SavedSearchForm, context: dict[str, Any]) -> HttpResponse:
        crumbs = [*self.crumbs(), {"title": "Saved searches", "url": self.url("audit_searches")}]
        status = _REFUSED if form.is_bound else 200
        return self.site.render(
            request, "audit/search.html", {"form": form, "breadcrumbs": crumbs, **context}, status=status
        )
