"""Pages of a site that are not about one model, such as a matrix or a settings form."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponseBase
from django.urls import URLPattern, path

from .access import can, require

View = Callable[..., HttpResponseBase]
Condition = Callable[[HttpRequest], bool]


@dataclass(frozen=True, slots=True)
class Page:
    """One page that an app added to a site.

    Attributes:
        route: a Django path route below the site.
        name: the URL's name in the site's namespace.
        view: the plain view.
        permission: needed in the organization; None lets in everybody who may enter the site.
        title: the text in the sidebar.
        menu: (group, position), or None to be listed nowhere.
        icon: a Material Symbol.
        description: one sentence for the overview card.
        open_when: for a page that a permission in some project opens as well: says whether to list it. Its view asks
            for the permission itself, and `permission` is None.
        covers: where further pages begin that are reached through this one, below the console's address.
        badge: returns what the sidebar says beside the title, such as how many wait; "" for nothing.
    """

    route: str
    name: str
    view: View
    permission: str | None
    title: str
    menu: tuple[str, int] | None
    icon: str
    description: str
    open_when: Condition | None = None
    covers: tuple[str, ...] = ()
    badge: Callable[[HttpRequest], str] | None = None

    def open_to(self, request: HttpRequest) -> bool:
        """Return whether the request's actor may open the page."""
        if self.open_when is not None and not self.open_when(request):
            return False
        return self.permission is None or can(request, self.permission)

    def url_pattern(self, site: Any) -> URLPattern:
        """Return the URL pattern; the view is guarded by the site and by the page's permission."""

        @wraps(self.view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if self.permission is not None:
                require(request, self.permission)
            request.current_app = site.name
            return self.view(request, *args, **kwargs)

        pattern: URLPattern = path(self.route, site.admin_view(guarded), name=self.name)
        return pattern
