"""Fields of request bodies."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rest_framework import serializers

if TYPE_CHECKING:
    from .views import ApiView


class ReferenceField(serializers.UUIDField):
    """The id of a row of the open organization; the checked value is the row.

    Args:
        rows: makes the queryset of those that may be named, for the view that reads the body.
    """

    default_error_messages = {
        "does_not_exist": "There is nothing with this id here. Check it, and whether you see it.",
        "invalid": "Send the id, a UUID, as the list of these shows it. Names and identifiers are not taken here.",
    }

    def __init__(self, rows: Callable[["ApiView"], Any], **kwargs: Any) -> None:
        self.rows = rows
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> Any:
        """Return the row.

        Raises:
            ValidationError: no UUID, or of nothing that may be named.
        """
        if not isinstance(data, str):
            self.fail("invalid", value=data)
        pk = super().to_internal_value(data)
        row = self.rows(self.context["view"]).filter(pk=pk).first()
        if row is None:
            self.fail("does_not_exist")
        return row
