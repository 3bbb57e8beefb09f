"""The operator console and the tenant console."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, reverse
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from unfold.sites import UnfoldAdminSite

from isolation.actor import ActorKind
from isolation.context import current_organization_id

from .access import actor_of
from .autocomplete import ScopedAutocompleteView
from .links import login_url, root_url
from .navigation import entries, grouped, sidebar
from .pages import Condition, Page, View
from .palette import search as search_palette

_CLOSED_ROUTES = frozenset({"view_on_site", "password_change_done"})
_KEEP_METHOD = 307


class ConsoleSite(UnfoldAdminSite):  # type: ignore[misc]  # unfold has no type hints
    """What both consoles share: no bulk delete, no sign-in of its own, no redirector to any object, no foreign log.

    Attributes:
        menu_groups: the sidebar's headings in their order; others follow by name.
        overview_text: what the overview says below its title.
        overview_template: draws the overview; an app that has more to tell than cards replaces it.
    """

    menu_groups: ClassVar[tuple[str, ...]] = ()
    overview_text: ClassVar[str] = ""
    overview_template = "console/overview.html"
    index_title = "Overview"
    empty_value_display = "-"
    enable_nav_sidebar = True

    def __init__(self, name: str) -> None:
        # unfold's own constructor imports the user model's forms for a login page that we do not have.
        AdminSite.__init__(self, name)
        self._actions.clear()
        self.pages: list[Page] = []
        self.overview_context: list[Callable[[HttpRequest], dict[str, Any]]] = []

    def page(
        self,
        route: str,
        *,
        name: str,
        title: str,
        permission: str | None,
        menu: tuple[str, int] | None = None,
        icon: str = "article",
        description: str = "",
        open_when: Condition | None = None,
        covers: tuple[str, ...] = (),
        badge: Callable[[HttpRequest], str] | None = None,
    ) -> Callable[[View], View]:
        """Add the decorated view to the site; see `pages.Page` for the arguments.

        Raises:
            ValueError: the name is taken.
        """
        if any(page.name == name for page in self.pages):
            raise ValueError(f"The site '{self.name}' has a page named '{name}' already.")

        def add(view: View) -> View:
            self.pages.append(
                Page(route, name, view, permission, title, menu, icon, description, open_when, covers, badge)
            )
            return view

        return add

    def render(
        self, request: HttpRequest, template: str, context: dict[str, Any] | None = None, *, status: int = 200
    ) -> TemplateResponse:
        """Return a page within the site's frame; `template` usually extends ``console/page.html``."""
        request.current_app = self.name
        return TemplateResponse(request, template, {**self.each_context(request), **(context or {})}, status=status)

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """Return the site's URLs without the routes that would leak."""
        own = [page.url_pattern(self) for page in self.pages]
        stock = [url for url in super().get_urls() if getattr(url, "name", None) not in _CLOSED_ROUTES]
        return [*own, *stock]

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:  # noqa: FBT001, FBT002 - Django's signature
        """Guard a view: nobody signed in is led to sign in, anybody else without a right is refused."""
        guarded = super().admin_view(view, cacheable)

        def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            if not self.has_permission(request):
                return self.turn_away(request)
            return guarded(request, *args, **kwargs)

        inner.__dict__.update(getattr(guarded, "__dict__", {}))
        return inner

    def turn_away(self, request: HttpRequest) -> HttpResponse:
        """Answer who may not enter.

        Raises:
            PermissionDenied, Http404: somebody is signed in; sending them to sign in would lead in a circle.
        """
        if request.user.is_authenticated:
            self.refuse_entry()
        return HttpResponseRedirect(login_url(request.get_full_path()))

    def refuse_entry(self) -> None:
        """Raise what a signed-in person without access sees."""
        raise PermissionDenied

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Return what every page's frame needs."""
        return {**super().each_context(request), "log_entries": [], "console_site": self}

    def get_sidebar_list(self, request: HttpRequest) -> list[dict[str, Any]]:
        """Return the sidebar's groups."""
        return sidebar(self, request)

    def get_log_entries(self, request: HttpRequest) -> list[Any]:
        """Return nothing: Django's log knows no tenants."""
        return []

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """Show cards of everything that the actor may open."""
        context = {
            "title": self.index_title,
            "text": self.overview_text,
            "card_groups": grouped(entries(self, request)),
            "index": True,
            **(extra_context or {}),
        }
        for more in self.overview_context:
            context.update(more(request))
        return self.render(request, self.overview_template, context)

    def app_index(self, request: HttpRequest, app_label: str, extra_context: dict[str, Any] | None = None) -> Any:
        """Lead to the overview, which lists the same; an app with nothing to open does not exist.

        Raises:
            Http404: the actor may open nothing of that app.
        """
        if not self.get_app_list(request, app_label):
            raise Http404("There is no such page.")
        return HttpResponseRedirect(reverse(f"{self.name}:index"))

    def search(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """Answer the command palette; nothing of it is cached."""
        hits = search_palette(self, request, request.GET.get("s", ""))
        request.current_app = self.name
        return TemplateResponse(
            request, "console/palette_results.html", {"hits": hits}, headers={"HX-Trigger": "search"}
        )

    def autocomplete_view(self, request: HttpRequest) -> HttpResponseBase:
        """Answer a select field's search."""
        return ScopedAutocompleteView.as_view(admin_site=self)(request)

    @method_decorator(never_cache)
    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Lead to the portal's sign-in page, and back to this site's overview."""
        return HttpResponseRedirect(login_url(reverse(f"{self.name}:index")))

    login.login_required = False  # type: ignore[attr-defined]

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Lead to the portal's sign-out; a POST stays one, so that it signs out without asking again."""
        return HttpResponseRedirect(root_url("accounts/logout/"), status=_KEEP_METHOD)

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Lead to the portal's page for changing the password."""
        return HttpResponseRedirect(root_url("accounts/password/change/"))


class OperatorSite(ConsoleSite):
    """The console of the installation's operators, over all organizations."""

    settings_name = "UNFOLD_OPERATOR"
    menu_groups = ("Organizations", "People", "Access", "LLM proxy", "Compliance", "Installation")
    overview_text = "Everything of this installation, across its organizations."

    def has_permission(self, request: HttpRequest) -> bool:
        """Return whether an active operator asks."""
        return bool(request.user.is_active and getattr(request.user, "is_operator", False))

    def refuse_entry(self) -> None:
        """Say who may come in.

        Raises:
            PermissionDenied: always.
        """
        raise PermissionDenied("Only operators of this installation may open the operator console.")


class TenantSite(ConsoleSite):
    """The console of one organization, entered by membership or by an operator's support mode."""

    settings_name = "UNFOLD_TENANT"
    menu_groups = ("Organization", "Access", "Projects", "LLM proxy", "Compliance")
    overview_text = "What you can see and do in this organization."

    def has_permission(self, request: HttpRequest) -> bool:
        """Return whether the request is about an organization in which its actor has a place."""
        organization = getattr(request, "organization", None)
        actor = actor_of(request)
        return (
            organization is not None
            and request.user.is_active
            and actor.kind in {ActorKind.USER, ActorKind.OPERATOR}
            and actor.organization_id == organization.pk == current_organization_id()
        )

    def refuse_entry(self) -> None:
        """Answer a stranger as if the organization did not exist.

        Raises:
            Http404: always.
        """
        raise Http404("There is no such organization, or you are not a member of it.")


operator_site = OperatorSite(name="operator")
tenant_site = TenantSite(name="console")
__all__ = ["ConsoleSite", "OperatorSite", "TenantSite", "operator_site", "tenant_site"]
