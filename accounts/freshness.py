"""When the person of a session showed last who they are: by signing in, or by being asked again since."""

from datetime import UTC, datetime
from uuid import UUID

from allauth.account.internal.flows.login import get_authentication_records
from django.http import HttpRequest
from django.utils import timezone

from accounts.models import User
from accounts.sessions.facts import signed_in_at
from accounts.sso.presence import SINGLE_SIGN_ON, presence_in, presences_in

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def proved_at(request: HttpRequest, user: User, organization_id: UUID | None = None) -> datetime:
    """Return the moment; one long ago when nothing is known.

    Args:
        request: the request, with its session.
        user: whose session it is.
        organization_id: for what is done in this organization: its identity provider's word counts there, and only
            there.
    """
    moments = [_LONG_AGO]
    if not presences_in(request):  # a provider may have let them through without asking
        moments.append(signed_in_at(request) or _LONG_AGO)
    moments += [
        datetime.fromtimestamp(record["at"], UTC)
        for record in get_authentication_records(request, user)
        if isinstance(record.get("at"), (int, float)) and record.get("method") != SINGLE_SIGN_ON
    ]
    presence = presence_in(request, organization_id) if organization_id else None
    if presence is not None and presence.proved_at is not None:
        moments.append(presence.proved_at)
    return min(max(moments), timezone.now())
