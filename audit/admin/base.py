"""What the pages of the audit log share: whose events, which addresses, which filter."""

from typing import Any, ClassVar
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse

from audit.directory import directory
from audit.forms import FilterForm
from audit.models import Event
from audit.places import LogPlaces
from audit.query import Query
from audit.querysets import READ, may_somewhere
from console.access import actor_of, require
from console.keyset import CURSOR_VAR
from console.sites import ConsoleSite

AT_VAR = "at"
_TIMES = ("range", "since", "until", "tz")


class LogPages:
    """The base of the pages of one console's log."""

    across: ClassVar[bool] = False
    """Whether the log spans organizations."""

    def __init__(self, site: ConsoleSite) -> None:
        self.site = site

    def demand(self, request: HttpRequest, permission: str = READ) -> None:
        """Refuse whoever may read (or export) no part of the log.

        Raises:
            MissingPermission: it is refused, and recorded.
        """
        if not may_somewhere(actor_of(request), permission):
            require(request, permission)

    def visible(self, request: HttpRequest, permission: str = READ) -> "QuerySet[Any]":
        """Return the events that the actor may see."""
        events: QuerySet[Any] = Event.objects.visible_to(actor_of(request), permission)
        return events

    def places(self, request: HttpRequest, permission: str = READ) -> LogPlaces:
        """Return the names that the actor may use in a query."""
        return LogPlaces(actor_of(request), permission, across=self.across)

    def filter_form(self, request: HttpRequest, permission: str = READ) -> FilterForm:
        """Return the filter form, bound to the query string."""
        projects = directory().projects(actor_of(request), READ)
        return FilterForm(request.GET, places=self.places(request, permission), projects=projects)

    def named(self, events: Any) -> list[Any]:
        """Return the events with what the page needs beside them."""
        return list(events)

    def url(self, name: str, *arguments: Any) -> str:
        """Return the address of a page of this console."""
        return reverse(f"{self.site.name}:{name}", args=arguments)

    def crumbs(self) -> list[dict[str, str]]:
        """Return the way back to the list."""
        return [{"title": "Audit log", "url": self.url("audit_log")}]

    def found_by(self, query: Query | str) -> str:
        """Return the address of the list of what a query finds."""
        return f"{self.url('audit_log')}?{urlencode({'q': str(query)})}"

    def timeline_of(self, pk: UUID | str | None) -> str:
        """Return the address of a timeline; "" for what has no UUID."""
        try:
            return self.url("audit_timeline", UUID(str(pk)))
        except ValueError:
            return ""

    def kept(self, request: HttpRequest, change: dict[str, str | None] | None = None) -> str:
        """Return the query string with the filter kept; it starts at the newest page unless `change` says where."""
        values = {name: value for name, value in request.GET.items() if value and name not in {CURSOR_VAR, AT_VAR}}
        kept = {name: value for name, value in {**values, **(change or {})}.items() if value}
        return f"?{urlencode(kept)}" if kept else "?"

    def narrowed_to(self, request: HttpRequest, query: Query, time: str) -> str:
        """Return the query string with the filter kept and its time replaced."""
        query = query.without("time").having("time", time)
        return self.kept(request, {**dict.fromkeys(_TIMES), "q": str(query)})
