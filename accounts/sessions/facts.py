"""What is known of the request's session, and of a person's; the row that Django loads anyway holds it.

Reading costs no query of its own. Whoever refuses a session for having been idle has to end it: the request that
was refused counts as a use.
"""

from datetime import datetime

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from accounts.models import Session, User
from accounts.services.sessions import end_sessions

from .store import SessionStore

__all__ = ["end_sessions", "last_seen_at", "session_of", "sessions_of", "signed_in_at"]


def session_of(request: HttpRequest) -> Session | None:
    """Return the row of the request's session; None without one."""
    store = getattr(request, "session", None)
    return store.known() if isinstance(store, SessionStore) else None


def signed_in_at(request: HttpRequest) -> datetime | None:
    """Return when the person of the request's session signed in last; None when nobody is signed in."""
    session = session_of(request)
    return session.signed_in_at if session else None


def last_seen_at(request: HttpRequest) -> datetime | None:
    """Return when the request's session was used before this request, a minute exact; None when nobody is signed in."""
    session = session_of(request)
    return session.last_seen_at if session and session.user_id else None


def sessions_of(user: User) -> "QuerySet[Session]":
    """Return somebody's running sessions, the newest first."""
    running = Session.objects.filter(user_id=user.pk, expire_date__gt=timezone.now())
    return running.order_by("-signed_in_at", "-pk")
