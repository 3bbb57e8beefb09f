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


def person_of(view: ApiView, *, what: str, elsewhere: bool = False) -> Any:
    """Return the accounts.User who acts.

    Args:
        view: the view, with its credential.
        what: why it takes a person: a sentence.
        elsewhere: it reaches beyond the organization, as a session by single sign-on does not.

    Raises:
        Problem: 403, a key acts, which is nobody's, or the session does not reach so far.
    """
    user = view.credential.user if view.credential else None
    if user is None:
        raise Problem(HTTPStatus.FORBIDDEN, "person_only", f"{what} Sign in, and do it as yourself.")
    if elsewhere and view.credential is not None and view.credential.organization_id is not None:
        raise Problem(
            HTTPStatus.FORBIDDEN,
            "confined_session",
            "You signed in through your organization's identity provider, which opens that organization only. Confirm "
            "your password in the console, then do it again.",
        )
    return user


class AddressField(serializers.EmailField):
    """An e-mail address in a query; addresses are stored in lower case."""

    def to_internal_value(self, data: Any) -> str:
        """Return the address in lower case."""
        return str(super().to_internal_value(data)).lower()
