"""The base class of every admin: the doors by which a stock admin leaks other tenants' rows are shut here."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from django.contrib import messages
from django.contrib.admin import ShowFacets
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import quote, unquote
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.db import router, transaction
from django.db.models import QuerySet
from django.forms import Media
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.text import capfirst
from unfold.admin import ModelAdmin

from isolation.exceptions import DomainError

from .access import PermissionMapping, actor_of
from .actions import spec_of
from .confirm import ConfirmForm, add_refusal, show_confirmation
from .fields import ScopedFields
from .filters import closed_filters, parameters
from .lists import CappedPaginator, ScopedChangeList
from .writes import ServiceWrites


class ScopedModelAdmin(PermissionMapping, ServiceWrites, ScopedFields, ModelAdmin):  # type: ignore[misc]  # unfold has no type hints
    """What tenant and operator admins share.

    Attributes:
        permissions: verb to permission name; see `PermissionMapping`.
        menu: (group, position) in the sidebar and on the overview, or None to be listed nowhere.
        menu_title: the text there; the model's plural name by default.
        menu_covers: where further pages begin that are reached through this entry, below the console's address.
        icon: a Material Symbol.
        description: one sentence for the overview card.
        empty_title, empty_text: what an empty list says, and what to do next.
        delete_text: what deleting does, for the confirmation page.
    """

    permissions: ClassVar[Mapping[str, str]] = {}
    menu: ClassVar[tuple[str, int] | None] = None
    menu_title: ClassVar[str] = ""
    menu_covers: ClassVar[tuple[str, ...]] = ()
    icon: ClassVar[str] = "table_rows"
    description: ClassVar[str] = ""
    empty_title: ClassVar[str] = ""
    empty_text: ClassVar[str] = ""
    delete_text: ClassVar[str] = "This cannot be undone."

    actions: Any = ()
    date_hierarchy = None
    list_editable = ()
    list_filter_submit = True
    list_max_show_all = 0
    list_per_page = 50
    paginator = CappedPaginator
    save_as = False
    show_facets = ShowFacets.NEVER
    show_full_result_count = False
    view_on_site = False

    # Reading -------------------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the rows this admin is about: the scoped manager's, narrowed by `narrow`."""
        queryset = self.narrow(request, self.model.objects.all())
        ordering = self.get_ordering(request)
        return queryset.order_by(*ordering) if ordering else queryset

    def narrow(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the part of `queryset` that the actor may see; override to annotate and to narrow further."""
        return queryset

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Return the row of that primary key within the scope, or None."""
        return super().get_object(request, object_id, None)

    def find(self, request: HttpRequest, object_id: str) -> Any:
        """Return the row that a URL names, or None."""
        return self.get_object(request, unquote(object_id))

    def get_object_or_404(self, request: HttpRequest, object_id: str) -> Any:
        """Return the row that a URL names.

        Raises:
            Http404: there is none for this actor, whether it exists elsewhere or not at all.
        """
        obj = self.find(request, object_id)
        if obj is None:
            raise Http404(f"There is no such {self.opts.verbose_name} here.")
        return obj

    def _get_obj_does_not_exist_redirect(self, request: HttpRequest, opts: Any, object_id: str) -> HttpResponse:
        raise Http404(f"There is no such {opts.verbose_name} here.")

    # Lists ---------------------------------------------------------------------------------------

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Show the list.

        Raises:
            MissingPermission: the actor may not see it.
        """
        self.demand(request, "view")
        response: HttpResponse = super().changelist_view(request, extra_context)
        return response

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[Any]:
        """Return the change list class."""
        return ScopedChangeList

    def get_list_filter(self, request: HttpRequest) -> Sequence[Any]:
        """Return the declared filters, relations closed."""
        return closed_filters(self.model, super().get_list_filter(request))

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Return whether a query parameter is one of the declared filters' own, with a value the database can hold."""
        if "\x00" in value:
            return False
        declared = self.list_filter if request is None else self.get_list_filter(request)
        return lookup in parameters(self.model, declared)

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Return the bulk actions that the actor may use on some row."""
        return {name: entry for name, entry in super().get_actions(request).items() if self._may_use(request, entry[0])}

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Run a bulk action; a selection that names no rows is answered in words."""
        try:
            for pk in request.POST.getlist(ACTION_CHECKBOX_NAME):
                self.opts.pk.to_python(pk)
        except (ValidationError, ValueError):
            messages.error(request, "That selection names no rows. Nothing was changed.")
            return None
        response: HttpResponse | None = super().response_action(request, queryset)
        return response

    def _filter_unfold_actions_by_permissions(self, request: HttpRequest, actions: Any, object_id: Any = None) -> Any:
        if not actions:
            return []
        obj = self.get_object_or_404(request, str(object_id)) if object_id else None
        return [action for action in actions if self._may_use(request, action.method, obj)]

    def _may_use(self, request: HttpRequest, function: Any, obj: Any = None) -> bool:
        spec = spec_of(function)
        if spec is None or not self.holds(request, spec.permission, obj):
            return False
        return obj is None or spec.when is None or spec.when(obj)

    @property
    def request(self) -> HttpRequest:
        """Nothing: unfold keeps the last request on the admin, which all threads and tenants share."""
        raise AttributeError("request")

    @request.setter
    def request(self, request: HttpRequest) -> None:
        """Forget it."""

    @property
    def media(self) -> Any:
        """The scripts and styles of the page, with those of the declared filters."""
        media = super().media
        for item in self.list_filter:
            form_class = getattr(item[1] if isinstance(item, (tuple, list)) else item, "form_class", None)
            declared = getattr(form_class, "Media", None)
            if declared is not None:
                media += Media(declared)
        return media

    # Changing ------------------------------------------------------------------------------------

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show or save the form; see `ServiceWrites`."""
        exists = object_id is not None
        extra = {
            "show_history": exists and self.tells_history(),
            # One button is enough to make something, two to change it.
            "show_save_and_add_another": False,
            "show_save_and_continue": exists,
            **(extra_context or {}),
        }
        return super().changeform_view(request, object_id, form_url, extra)

    def get_formset_kwargs(self, request: HttpRequest, obj: Any, inline: Any, prefix: str) -> dict[str, Any]:
        """Return the arguments of an inline's form set; whoever may not see its rows gets none."""
        arguments: dict[str, Any] = super().get_formset_kwargs(request, obj, inline, prefix)
        if not inline.has_view_or_change_permission(request, obj):
            arguments["queryset"] = arguments["queryset"].none()
        return arguments

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Ask, then delete by `perform_delete`.

        Raises:
            Http404: no such row for this actor.
            MissingPermission: the actor may not delete it.
        """
        obj = self.get_object_or_404(request, object_id)
        self.demand(request, "delete", obj)
        label = str(obj)
        form = ConfirmForm.build(request, phrase=self.delete_phrase(request, obj))
        if request.method == "POST" and form.is_valid():
            try:
                with transaction.atomic(using=router.db_for_write(self.model)):
                    self.delete_model(request, obj)
            except DomainError as refusal:
                add_refusal(form, refusal)
            else:
                messages.success(request, f"{capfirst(str(self.opts.verbose_name))} “{label}” was deleted.")
                return HttpResponseRedirect(self.list_url(request))
        return show_confirmation(
            self.admin_site,
            request,
            title=f"Delete {self.opts.verbose_name}",
            message=self.delete_text,
            consequences=self.delete_consequences(request, obj),
            form=form,
            submit=f"Delete {self.opts.verbose_name}",
            opts=self.opts,
            obj=obj,
            cancel_url=self.object_url(obj),
        )

    def delete_phrase(self, request: HttpRequest, obj: Any) -> str:
        """Return the text to type before deleting; empty asks for nothing."""
        return ""

    def delete_consequences(self, request: HttpRequest, obj: Any) -> Sequence[str]:
        """Return sentences that say what goes with the row."""
        return ()

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Lead to the row's history in the audit log.

        Raises:
            Http404: no such row, or this admin tells no history.
            MissingPermission: the actor may not see the row.
        """
        obj = self.get_object_or_404(request, object_id)
        self.demand(request, "view", obj)
        url = self.history_url(request, obj)
        if not url:
            raise Http404("This page tells no history.")
        return HttpResponseRedirect(url)

    def history_url(self, request: HttpRequest, obj: Any) -> str:
        """Return the address of the row's audit events; override to have a History button."""
        return ""

    def tells_history(self) -> bool:
        """Return whether this admin overrides `history_url`."""
        return type(self).history_url is not ScopedModelAdmin.history_url

    # Addresses -----------------------------------------------------------------------------------

    def list_url(self, request: HttpRequest) -> str:
        """Return the list's address, or the overview's for whoever may not see the list."""
        if not self.has_view_permission(request):
            return reverse(f"{self.admin_site.name}:index")
        return self._url("changelist")

    def object_url(self, obj: Any) -> str:
        """Return the address of the row's page."""
        return self._url("change", quote(obj.pk))

    def after_action_url(self, request: HttpRequest, obj: Any) -> str:
        """Return where an action on `obj` leads: its page, or the list when the action took it away."""
        still = self.get_object(request, str(obj.pk))
        if still is not None and self.has_view_permission(request, still):
            return self.object_url(still)
        return self.list_url(request)

    def _url(self, view: str, *args: Any) -> str:
        return reverse(f"{self.admin_site.name}:{self.opts.app_label}_{self.opts.model_name}_{view}", args=args)


class TenantModelAdmin(ScopedModelAdmin):
    """An admin of the tenant console: the rows of the request's organization."""

    def narrow(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the organization's rows that the actor may see, by `for_organization` and `visible_to`.

        Raises:
            ImproperlyConfigured: the model's queryset does not know organizations.
            Http404: the request is about no organization.
        """
        organization = getattr(request, "organization", None)
        if organization is None:
            raise Http404("There is no such organization.")
        scope: Callable[[Any], QuerySet[Any]] | None = getattr(queryset, "for_organization", None)
        if scope is None:
            raise ImproperlyConfigured(f"{self.model.__name__}.objects has no for_organization().")
        rows = scope(organization)
        visible: Callable[[Any], QuerySet[Any]] | None = getattr(rows, "visible_to", None)
        return rows if visible is None else visible(actor_of(request))


class OperatorModelAdmin(ScopedModelAdmin):
    """An admin of the operator console: the rows of all organizations, inside the request's `operator_scope`."""
