"""The sidebar and the overview, drawn from what admins and pages declare and the actor may open."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import conditional_escape
from django.utils.text import capfirst


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that can be opened.

    Attributes:
        group: the heading it stands under.
        position: its place there, smallest first.
        title, icon, description: how it is shown.
        url: where it leads.
        below: where further pages begin that are reached through this one.
        badge: what the sidebar says beside the title.
    """

    group: str
    position: int
    title: str
    icon: str
    description: str
    url: str
    below: tuple[str, ...] = ()
    badge: str = ""

    def covers(self, path: str) -> int:
        """Return how much of a page's path belongs to this entry, in characters."""
        return max((len(start) for start in (self.url, *self.below) if path.startswith(start)), default=0)


def entries(site: Any, request: HttpRequest) -> list[Entry]:
    """Return what the request's actor may open on the site, in the order shown."""
    order = {group: index for index, group in enumerate(site.menu_groups)}
    found = [*_of_admins(site, request), *_of_pages(site, request)]
    return sorted(found, key=lambda item: (order.get(item.group, len(order)), item.group, item.position, item.title))


def grouped(found: Iterable[Entry]) -> list[tuple[str, list[Entry]]]:
    """Return the entries by heading."""
    return [(group, list(members)) for group, members in groupby(found, key=lambda item: item.group)]


def sidebar(site: Any, request: HttpRequest) -> list[dict[str, Any]]:
    """Return the sidebar in unfold's shape, with the entry of the current page marked."""
    found = entries(site, request)
    index = reverse(f"{site.name}:index")
    overview = Entry("", 0, "Overview", "home", "", index)
    covering = max(found, key=lambda item: item.covers(request.path), default=overview)
    active = covering if covering.covers(request.path) else overview
    groups = [("", [overview]), *grouped(found)]
    return [
        {
            "title": group,
            "separator": False,
            "items": [_item(entry, is_active=entry == active) for entry in members],
        }
        for group, members in groups
    ]


def _item(entry: Entry, *, is_active: bool) -> dict[str, Any]:
    # unfold prints the title unescaped.
    title = conditional_escape(entry.title)
    item = {"title": title, "icon": entry.icon, "link": entry.url, "active": is_active, "has_permission": True}
    return item | ({"badge": entry.badge, "badge_variant": "danger"} if entry.badge else {})


def _of_admins(site: Any, request: HttpRequest) -> Iterator[Entry]:
    index = reverse(f"{site.name}:index")
    for model, admin in site._registry.items():
        menu = getattr(admin, "menu", None)
        if menu is None or not admin.has_view_permission(request):
            continue
        opts = model._meta
        yield Entry(
            group=menu[0],
            position=menu[1],
            title=admin.menu_title or capfirst(str(opts.verbose_name_plural)),
            icon=admin.icon,
            description=admin.description,
            url=reverse(f"{site.name}:{opts.app_label}_{opts.model_name}_changelist"),
            below=tuple(f"{index}{path}" for path in admin.menu_covers),
        )


def _of_pages(site: Any, request: HttpRequest) -> Iterator[Entry]:
    index = reverse(f"{site.name}:index")
    for page in site.pages:
        if page.menu is not None and page.open_to(request):
            yield Entry(
                group=page.menu[0],
                position=page.menu[1],
                title=page.title,
                icon=page.icon,
                description=page.description,
                url=reverse(f"{site.name}:{page.name}"),
                below=tuple(f"{index}{path}" for path in page.covers),
                badge=page.badge(request) if page.badge is not None else "",
            )
