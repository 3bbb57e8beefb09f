"""The page of changes that carry no event, on both consoles."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from audit.capture import inspect_capture
from audit.directory import directory
from audit.models import UnattributedChange
from audit.querysets import READ
from console.access import actor_of, require
from console.keyset import CURSOR_VAR, KeysetPaginator
from console.lists import capped_count
from console.sites import ConsoleSite

PER_PAGE = 50


class UnattributedChanges:
    """What the database noted in the current organization and no event tells of."""

    across = False
    """Whether the list spans organizations."""

    def __init__(self, site: ConsoleSite) -> None:
        self.site = site

    def add_page(self, *, menu: tuple[str, int], description: str) -> None:
        """Add the page to the site."""
        self.site.page(
            "audit/unattributed/",
            name="unattributed_changes",
            title="Unattributed changes",
            permission=None,
            menu=menu,
            icon="policy_alert",
            description=description,
            open_when=lambda request: actor_of(request).can(READ),
        )(self.show)

    def show(self, request: HttpRequest) -> HttpResponse:
        """Show one page of the changes, newest first.

        Raises:
            MissingPermission: the actor may not read the whole log.
        """
        require(request, READ)
        changes = UnattributedChange.objects.visible_to(actor_of(request))
        page = KeysetPaginator(changes, time_field="time", per_page=PER_PAGE).page(request.GET.get(CURSOR_VAR))
        count, more = capped_count(changes)
        context = {
            "title": "Unattributed changes",
            "breadcrumbs": [{"title": "Audit log", "url": reverse(f"{self.site.name}:audit_log")}],
            "changes": self.named(page.rows),
            "count": count,
            "count_is_capped": more,
            "across": self.across,
            "newest_url": "?",
            "newer_url": f"?{CURSOR_VAR}={page.newer}" if page.newer else "",
            "older_url": f"?{CURSOR_VAR}={page.older}" if page.older else "",
            **self.health(),
        }
        return self.site.render(request, "audit/unattributed.html", context)

    def named(self, changes: Any) -> list[Any]:
        """Return the changes with what the page needs beside them."""
        return list(changes)

    def health(self) -> dict[str, Any]:
        """Return whether the database watches; that is the operators' concern."""
        return {}


class OperatorUnattributedChanges(UnattributedChanges):
    """The changes of the installation and of every organization, for operators."""

    across = True

    def named(self, changes: Any) -> list[Any]:
        """Return the changes, each with its organization's identifier; its id when the organization is gone."""
        rows = list(changes)
        names = directory().organizations({row.organization_id for row in rows if row.organization_id})
        for row in rows:
            pk = row.organization_id
            row.organization_label = names.get(pk, str(pk)) if pk else "Installation"
        return rows

    def health(self) -> dict[str, Any]:
        """Return what the database watches at present."""
        return {"capture": inspect_capture()}
