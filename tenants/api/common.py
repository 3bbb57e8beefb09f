"""What the views of this app have in common."""

from http import HTTPStatus
from typing import Any

from rest_framework import serializers

from api.operation import Filter
from api.problems import Problem
from api.views import ApiView

REASON = {"reason": Filter(serializers.CharField(max_length=400, help_text="Why, for the audit log."))}


def reason_of(view: ApiView) -> str:
    """Return the reason that a request gave, or ""."""
    return str(view.query.get("reason", ""))


def person_of(view: ApiView, *, what: str) -> Any:
    """Return the accounts.User who acts.

    Args:
        view: the view, with its credential.
        what: why it takes a person: a sentence.

    Raises:
        Problem: 403, a key acts, which is nobody's.
    """
    user = view.credential.user if view.credential else None
    if user is None:
        raise Problem(HTTPStatus.FORBIDDEN, "person_only", f"{what} Sign in, and do it as yourself.")
    return user


class AddressField(serializers.EmailField):
    """An e-mail address in a query; addresses are stored in lower case."""

    def to_internal_value(self, data: Any) -> str:
        """Return the address in lower case."""
        return str(super().to_internal_value(data)).lower()
