"""One's own sessions, and those of a member in an organization."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, cast
from uuid import UUID

from django.utils.functional import cached_property
from rest_framework import serializers

from accounts.models import Session
from accounts.services.sessions import end_member_sessions, end_session, end_sessions
from accounts.sessions.facts import session_of, sessions_of
from accounts.sessions.rows import Ways
from accounts.sessions.words import browser_of
from api.operation import AUTHENTICATED, listing, operation
from api.problems import not_found
from api.serializers import Answer
from api.views import ApiView, OrganizationView
from tenants.api.common import REASON, person_of, reason_of
from tenants.api.members import members
from tenants.permissions import P

_PERSON = "A key has no sessions."


class SessionAnswer(Answer):
    """A session; the id is not the key in its cookie, and opens nothing."""

    id = serializers.UUIDField()
    browser = serializers.SerializerMethodField(help_text="Browser and system, as the client names itself.")
    ip = serializers.IPAddressField(allow_null=True, help_text="From where it was last used.")
    signed_in_by = serializers.SerializerMethodField(help_text="How the person signed in, in words.")
    signed_in_at = serializers.DateTimeField()
    last_seen_at = serializers.DateTimeField(help_text="The last use, a minute exact.")
    is_current = serializers.SerializerMethodField(help_text="Whether this request was made with it.")

    @cached_property
    def _ways(self) -> Ways:
        return Ways()

    def get_browser(self, session: Session) -> str:
        """Return browser and system."""
        return browser_of(session.user_agent)

    def get_signed_in_by(self, session: Session) -> str:
        """Return how the person signed in."""
        return self._ways.of(session)

    def get_is_current(self, session: Session) -> bool:
        """Return whether it is the request's own."""
        current = session_of(self.context["view"].request._request)
        return current is not None and current.pk == session.pk


class Ended(Answer):
    """What was ended."""

    ended = serializers.IntegerField(help_text="How many sessions.")


class OwnSessions(ApiView):
    """Where somebody is signed in."""

    tag = "Me"

    @listing(
        "listOwnSessions",
        "List your sessions",
        permission=AUTHENTICATED,
        response=SessionAnswer,
        ordering={"signed_in_at": "signed_in_at"},
        default_ordering="-signed_in_at",
        example={
            "id": "7a0f6a3e-2f6c-4f0e-9d52-0a3f5b1c7e44",
            "browser": "Firefox 130 on Linux",
            "ip": "203.0.113.7",
            "signed_in_by": "Password",
            "signed_in_at": "2026-01-05T09:00:00Z",
            "last_seen_at": "2026-01-05T11:42:00Z",
            "is_current": True,
        },
    )
    def get(self) -> Any:
        """With a session that reaches everything of yours; neither a key nor single sign-on lists them."""
        return sessions_of(person_of(self, what=_PERSON, elsewhere=True))


class OneOwnSession(ApiView):
    """One of one's own sessions."""

    tag = "Me"

    @operation("endOwnSession", "End one of your sessions", permission=AUTHENTICATED, status=HTTPStatus.NO_CONTENT)
    def delete(self, session: UUID) -> None:
        """The next request with it finds nobody signed in. The session of this request may be the one."""
        user = person_of(self, what=_PERSON, elsewhere=True)
        if not end_session(user=user, session_id=session, actor=self.actor):
            raise not_found()


class OtherSessions(ApiView):
    """All of one's sessions but this one."""

    tag = "Me"

    @operation(
        "endOtherSessions",
        "End all your other sessions",
        permission=AUTHENTICATED,
        response=Ended,
        example={"ended": 2},
    )
    def post(self) -> Mapping[str, int]:
        """The session of this request goes on."""
        user = person_of(self, what=_PERSON, elsewhere=True)
        key = cast("str", self.request._request.session.session_key)
        return {"ended": end_sessions(user, except_key=key, actor=self.actor)}


class MemberSessions(OrganizationView):
    """The sessions in which a member comes in."""

    tag = "Members"

    @operation(
        "endMemberSessions",
        "End a member's sessions in this organization",
        permission=P.MEMBERS_MANAGE,
        filters=REASON,
        status=HTTPStatus.NO_CONTENT,
    )
    def post(self, member: UUID) -> None:
        """Sessions from before enter this organization no more; the member signs in again. Keys stay as they are."""
        membership = self.find(members(self), pk=member)
        end_member_sessions(membership=membership, actor=self.actor, reason=reason_of(self))
