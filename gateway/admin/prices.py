"""The installation's price table, for operators."""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from console.access import actor_of
from console.actions import object_action
from console.options import OperatorModelAdmin
from console.sites import operator_site
from gateway.forms.prices import PriceForm
from gateway.models import Price
from gateway.services.prices import add_price, delete_price, dollars
from tenants.permissions import P


@admin.register(Price, site=operator_site)
class PriceAdmin(OperatorModelAdmin):
    """What providers ask for their models; a new price is a new row."""

    permissions: ClassVar = {"view": P.USAGE_READ, "add": P.USAGE_LIMITS_MANAGE}
    menu = ("LLM proxy", 60)
    menu_title = "Model prices"
    icon = "sell"
    description = "What providers ask for a million tokens, from when on; usage is counted by it."
    empty_title = "No prices yet"
    empty_text = "Without a price a model's tokens are counted, and cost nothing."

    form = PriceForm
    list_display = ("model", "provider", "shown_input", "shown_cached", "shown_output", "valid_from", "created_by")
    search_fields = ("^model", "^provider")
    search_help_text = "Search by the beginning of a model or provider"
    ordering = ("provider", "model", "-valid_from")
    actions_detail = ("remove",)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return what is asked of a new price, or shown of one."""
        if obj is None:
            return ("provider", "model", "input_dollars", "cached_dollars", "output_dollars", "valid_from")
        return ("provider", "model", "shown_input", "shown_cached", "shown_output", "valid_from", "created_by")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return everything once the price is there: another price is another row."""
        return () if obj is None else self.get_fields(request, obj)

    @admin.display(description="Input, $")
    def shown_input(self, obj: Price) -> str:
        """Return what a million tokens of prompts cost."""
        return dollars(obj.input)

    @admin.display(description="Cached input, $")
    def shown_cached(self, obj: Price) -> str:
        """Return what a million tokens of prompts cost that the provider had in its cache."""
        return dollars(obj.cached_input)

    @admin.display(description="Output, $")
    def shown_output(self, obj: Price) -> str:
        """Return what a million tokens of answers cost."""
        return dollars(obj.output)

    def perform_create(self, request: HttpRequest, values: dict[str, Any]) -> Price:
        """Add a price."""
        return add_price(
            provider=values["provider"],
            model=values["model"],
            input=values["input_dollars"],
            cached_input=values["cached_dollars"],
            output=values["output_dollars"],
            valid_from=values["valid_from"],
            actor=actor_of(request),
        )

    def history_url(self, request: HttpRequest, obj: Any) -> str:
        """Return where the events about this price are."""
        return reverse("operator:audit_timeline", args=[obj.pk])

    @object_action(
        permission=P.USAGE_LIMITS_MANAGE,
        description="Delete price",
        confirm="Requests are counted by the price that was in force before it, or cost nothing when there is none. "
        "What was counted stays as it was counted.",
        url_path="remove-price",
        icon="delete",
        danger=True,
    )
    def remove(self, request: HttpRequest, obj: Price, data: dict[str, Any]) -> HttpResponse:
        """Delete the price."""
        label = str(obj)
        delete_price(price=obj, actor=actor_of(request))
        messages.success(request, f"The price of {label} was deleted.")
        return HttpResponseRedirect(self.list_url(request))
