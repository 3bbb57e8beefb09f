"""Changes to saved searches."""

from uuid import UUID

from django.db import IntegrityError, transaction

from audit import signals
from audit.models import SavedSearch
from audit.places import LogPlaces
from audit.query import QueryError, conditions_of, parse
from audit.query.qualifiers import names
from audit.querysets import MANAGE, READ, may_somewhere
from audit.redaction import snapshot
from isolation.actor import Actor, ActorKind
from isolation.exceptions import DomainError

MOST = 100
"""Searches that one person or key may keep."""
LONGEST_NAME = 80


@transaction.atomic
def save_search(*, organization_id: UUID, name: str, query: str, actor: Actor, is_shared: bool = False) -> SavedSearch:
    """Keep a query under a name.

    Args:
        organization_id: whose log it is about; its scope is open.
        name: how it is found again.
        query: as `audit.query` reads it.
        actor: whose it will be.
        is_shared: whether everybody who reads the whole log sees it.

    Raises:
        MissingPermission: without ``audit_log:read`` anywhere; to share it, without that on the whole organization.
        DomainError: the name is taken, the query cannot be meant, there are too many, or nobody stays to own it.
    """
    _require_reader(actor)
    if actor.id is None or actor.kind is ActorKind.OPERATOR:
        raise DomainError("A visit keeps nothing: saved searches belong to members.", code="not_yours")
    if is_shared:
        actor.require(READ)
    if SavedSearch.objects.filter(maker_id=actor.id).count() >= MOST:
        raise DomainError(f"You have {MOST} saved searches. Delete one that you do not need.", code="too_many")
    search = SavedSearch(
        organization_id=organization_id,
        maker_id=actor.id,
        maker=actor.label[:320],
        name=_name(name),
        query=_query(query, actor),
        is_shared=is_shared,
    )
    _store(search, new=True)
    signals.saved_search_created.announce(search, actor=actor, after=snapshot(search))
    return search


@transaction.atomic
def update_search(
    *,
    search: SavedSearch,
    actor: Actor,
    name: str | None = None,
    query: str | None = None,
    is_shared: bool | None = None,
) -> SavedSearch:
    """Rename a search, change what it finds, share it or share it no more; what is None stays.

    Raises:
        MissingPermission: as for `save_search`.
        DomainError: it is somebody else's, without ``organization:manage``; or as for `save_search`.
    """
    stored = _own(search, actor)
    before = snapshot(stored)
    if name is not None:
        stored.name = _name(name)
    if query is not None:
        stored.query = _query(query, actor)
    if is_shared is not None:
        if is_shared and not stored.is_shared:
            actor.require(READ)
        stored.is_shared = is_shared
    if snapshot(stored) == before:
        return stored
    _store(stored, new=False)
    signals.saved_search_updated.announce(stored, actor=actor, before=before, after=snapshot(stored))
    return stored


@transaction.atomic
def delete_search(*, search: SavedSearch, actor: Actor) -> None:
    """Delete a search; the log itself is not touched.

    Raises:
        MissingPermission: without ``audit_log:read`` anywhere.
        DomainError: it is somebody else's, without ``organization:manage``.
    """
    stored = _own(search, actor)
    signals.saved_search_deleted.announce(stored, actor=actor, before=snapshot(stored))
    stored.delete()


def may_change(search: SavedSearch, actor: Actor) -> bool:
    """Return whether the actor may change or delete a search that they see."""
    return (actor.id is not None and search.maker_id == actor.id) or actor.can(MANAGE)


def _own(search: SavedSearch, actor: Actor) -> SavedSearch:
    _require_reader(actor)
    stored: SavedSearch = SavedSearch.objects.select_for_update().visible_to(actor).get(pk=search.pk)
    if not may_change(stored, actor):
        raise DomainError(
            f"This search is {stored.maker}'s. They can change it, or somebody who manages the organization.",
            code="not_yours",
        )
    return stored


def _require_reader(actor: Actor) -> None:
    if not may_somewhere(actor):
        actor.require(READ)


def _name(text: str) -> str:
    name = " ".join(text.split())
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise DomainError(f"Give it a name of 1 to {LONGEST_NAME} characters.", field="name", code="invalid")
    return name


def _query(text: str, actor: Actor) -> str:
    """Return the query as it is kept.

    Raises:
        DomainError: it is empty, or cannot be meant.
    """
    try:
        query = parse(text, names(across=False))
        conditions_of(query, LogPlaces(actor))
    except QueryError as error:
        raise DomainError(str(error), field="query", code="invalid") from error
    if not query:
        raise DomainError("Search for something first, then save it.", field="query", code="invalid")
    return text.strip()


def _store(search: SavedSearch, *, new: bool) -> None:
    try:
        with transaction.atomic():
            search.save(force_insert=new, force_update=not new)
    except IntegrityError as error:
        if "audit_savedsearch_name" not in str(error):
            raise
        raise DomainError(
            "You have a saved search with this name already. Choose another one.", field="name", code="taken"
        ) from error
