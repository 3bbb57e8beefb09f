"""Fields of request bodies, and of the filters that name the same rows."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from uuid import UUID

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from isolation.identifiers import is_uuid

if TYPE_CHECKING:
    from .views import ApiView

_ID_OR_NAME = "[A-Za-z0-9][A-Za-z0-9_-]{0,62}"
_NAME = re.compile("[a-z0-9][a-z0-9_-]{0,62}")


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


@extend_schema_field({"type": "string", "pattern": f"^{_ID_OR_NAME}$", "minLength": 1, "maxLength": 63})
class IdOrNameField(serializers.UUIDField):
    """The id of a row or its own name for programs; the checked value is a UUID or a text.

    As in addresses, what is written like an id is one: a row whose name looks like an id is named by its id.

    Args:
        named_by: the attribute that is unique in an organization: slug or key.
    """

    def __init__(self, named_by: str, **kwargs: Any) -> None:
        self.named_by = named_by
        about = " ".join(filter(None, [kwargs.pop("help_text", ""), f"By its id or its {named_by}."]))
        messages: dict[str, Any] = {
            "invalid": f"This is neither an id nor a {named_by}. Send the id, a UUID, or the {named_by}, in"
            " lower case, as the list of these shows them.",
            "does_not_exist": f"There is nothing with this id or {named_by} here. Check it, and whether you see it.",
        }
        super().__init__(help_text=about, error_messages=messages, **kwargs)

    def to_internal_value(self, data: Any) -> Any:
        """Return the id or the name.

        Raises:
            ValidationError: it is neither.
        """
        if not isinstance(data, str) or not re.fullmatch(_ID_OR_NAME, data):
            self.fail("invalid", value=data)
        if _NAME.fullmatch(data) and not is_uuid(data):
            return data
        return super().to_internal_value(data)


class NamedReferenceField(IdOrNameField):
    """A row of the open organization, by its id or its own name for programs; the checked value is the row.

    Args:
        rows: makes the queryset of those that may be named, for the view that reads the body.
        named_by: the attribute that is unique in an organization: slug or key.
    """

    def __init__(self, rows: Callable[["ApiView"], Any], named_by: str, **kwargs: Any) -> None:
        self.rows = rows
        super().__init__(named_by, **kwargs)

    def to_internal_value(self, data: Any) -> Any:
        """Return the row.

        Raises:
            ValidationError: neither an id nor a name, or of nothing that may be named.
        """
        named = super().to_internal_value(data)
        lookup = "pk" if isinstance(named, UUID) else self.named_by
        row = self.rows(self.context["view"]).filter(**{lookup: named}).first()
        if row is None:
            self.fail("does_not_exist")
        return row
