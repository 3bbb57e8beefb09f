"""The search behind select fields: only for fields that an admin of the site declares."""

from typing import Any

from django.contrib.admin.views.autocomplete import AutocompleteJsonView
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest


class ScopedAutocompleteView(AutocompleteJsonView):
    """Django's view answers for any relation of any installed model; this one for declared fields."""

    def process_request(self, request: HttpRequest) -> tuple[str, Any, Any, str]:
        """Return (term, admin, field, column) of the search.

        Raises:
            Http404: no admin of this site has such a field.
            MissingPermission: the actor may not see the rows it leads to.
        """
        model_admin: Any
        try:
            term, model_admin, source_field, to_field_name = super().process_request(request)
        except PermissionDenied as error:
            raise Http404("There is no such field.") from error
        if not self._declared(request, source_field):
            raise Http404("There is no such field.")
        model_admin.demand(request, "view")
        return term.replace("\x00", ""), model_admin, source_field, to_field_name

    def _declared(self, request: HttpRequest, source_field: Any) -> bool:
        site: Any = self.admin_site
        for model, admin in site._registry.items():
            holders = [(model, admin), *((inline.model, inline) for inline in admin.inlines)]
            for holder_model, holder in holders:
                if source_field.model is holder_model and source_field.name in holder.autocomplete_fields:
                    return True
        return False
