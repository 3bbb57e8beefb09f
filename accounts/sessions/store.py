"""The session engine: Django's protocol over a table that knows whose a session is, and not its key.

The key is in the browser's cookie alone; a row is found by its digest. Nothing here brings back a row that somebody
deleted: a request that was under way when its session ended cannot store it anew.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.base import CreateError, SessionBase, UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.db import IntegrityError, connections, transaction
from django.utils import timezone

from accounts.models import Session
from accounts.models.session import LONGEST_USER_AGENT
from isolation.context import current_origin
from isolation.scope import APP

from .keys import digest_of

SEEN_EVERY = timedelta(minutes=1)
"""How exact the last use is: a session is written that seldom for being used."""

# Somebody else who writes the row at this moment is not waited for: they have seen the session as well.
_SEEN = """
UPDATE accounts_session SET last_seen_at = %s, ip = %s, user_agent = %s WHERE id = (
    SELECT id FROM accounts_session WHERE id = %s AND last_seen_at < %s FOR NO KEY UPDATE SKIP LOCKED)
"""


class SessionStore(SessionBase):
    """One browser's session.

    Attributes:
        row: as it was loaded or written last, without being a query of its own; None before, and without a session.
    """

    def __init__(self, session_key: str | None = None) -> None:
        super().__init__(session_key)
        self.row: Session | None = None
        self._signed_in: dict[str, Any] = {}

    # What the rest of the portal asks -------------------------------------------------------------

    def known(self) -> Session | None:
        """Return the row, loading the session when nobody has yet; its last use is the one before this request."""
        self.keys()
        return self.row

    def note_sign_in(self, *, device_id: UUID | None) -> None:
        """Remember that somebody signs in now, also when they were signed in: stored with the session."""
        self._signed_in = {"signed_in_at": timezone.now(), "device_id": device_id}

    # What Django asks -----------------------------------------------------------------------------

    def load(self) -> dict[str, Any]:
        """Return what the session holds, and write, once in a while, that it was used."""
        now = timezone.now()
        try:
            self.row = Session.objects.get(key_digest=digest_of(str(self.session_key)), expire_date__gt=now)
        except Session.DoesNotExist:
            self._session_key = None
            return {}
        self._see(self.row, now)
        data: dict[str, Any] = self.decode(self.row.session_data)
        return data

    def exists(self, session_key: str) -> bool:
        """Return whether there is a session with that key."""
        return bool(Session.objects.filter(key_digest=digest_of(session_key)).exists())

    def create(self) -> None:
        """Make an empty session with a key of its own."""
        while True:
            self._session_key = self._get_new_session_key()  # type: ignore[attr-defined]  # the stubs leave it out
            try:
                self.save(must_create=True)
            except CreateError:
                continue
            self.modified = True
            return

    def save(self, must_create: bool = False) -> None:  # noqa: FBT001, FBT002 - Django's signature
        """Store the session.

        Raises:
            CreateError: it should have been new, and there was one with this key.
            UpdateError: it has ended since it was loaded.
        """
        if self.session_key is None:
            self.create()
            return
        data = self._get_session(no_load=must_create)  # type: ignore[attr-defined]
        values = {"session_data": self.encode(data), "expire_date": self.get_expiry_date()}
        if must_create:
            self._insert(values)
            return
        values |= self._owner(data)
        if not Session.objects.filter(key_digest=digest_of(self.session_key)).update(**values):
            raise UpdateError
        if self.row is not None:
            for name, value in values.items():
                setattr(self.row, name, value)

    def delete(self, session_key: str | None = None) -> None:
        """End the session, or the one with that key."""
        key = session_key or self.session_key
        if key is not None:
            Session.objects.filter(key_digest=digest_of(key)).delete()

    def flush(self) -> None:
        """End the session and begin without one."""
        super().flush()
        self.row, self._signed_in = None, {}

    def cycle_key(self) -> None:
        """Give the session another key; it stays the same row, so that ending it meanwhile ends it.

        Raises:
            SessionInterrupted: somebody's session has ended since it was loaded.
        """
        data, key = self._session, self.session_key  # type: ignore[attr-defined]
        if key is not None:
            new = self._get_new_session_key()  # type: ignore[attr-defined]
            if Session.objects.filter(key_digest=digest_of(key)).update(key_digest=digest_of(new)):
                self._session_key = new
                self.modified = True
                return
            if SESSION_KEY in data:
                raise SessionInterrupted("The session ended while this request was under way. Sign in again.")
        self.create()
        self._session_cache = data

    async def acycle_key(self) -> None:
        """Give the session another key."""
        await sync_to_async(self.cycle_key)()

    @classmethod
    def clear_expired(cls) -> None:
        """Delete the sessions whose time is over."""
        Session.objects.filter(expire_date__lt=timezone.now()).delete()

    # How ------------------------------------------------------------------------------------------

    def _insert(self, values: dict[str, Any]) -> None:
        row = Session(key_digest=digest_of(str(self.session_key)), **values)
        try:
            with transaction.atomic(using=APP):
                row.save(force_insert=True)
        except IntegrityError as error:
            raise CreateError from error
        self.row = row

    def _owner(self, data: dict[str, Any]) -> dict[str, Any]:
        """Return whose the session is, when that has changed or somebody has just signed in."""
        user_id = UUID(data[SESSION_KEY]) if SESSION_KEY in data else None
        before = self.row.user_id if self.row is not None else None
        if user_id == before and not self._signed_in:
            return {}
        noted, self._signed_in = self._signed_in, {}
        if user_id is None:
            return {"user_id": None, "device_id": None, "signed_in_at": None, "ip": None, "user_agent": ""}
        now = timezone.now()
        return {"user_id": user_id, "signed_in_at": now, "device_id": None, "last_seen_at": now, **_place(), **noted}

    def _see(self, row: Session, now: datetime) -> None:
        if row.user_id is None or now - row.last_seen_at < SEEN_EVERY:
            return
        place = _place()
        with connections[APP].cursor() as cursor:
            cursor.execute(_SEEN, [now, place["ip"], place["user_agent"], row.pk, now - SEEN_EVERY])


def _place() -> dict[str, Any]:
    origin = current_origin()
    return {"ip": origin.ip, "user_agent": origin.user_agent[:LONGEST_USER_AGENT]}
