"""Whom a limit may name, as people write them: found among what somebody sees elsewhere in the console."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.db.models import Q, QuerySet

from accounts.models import ApiKey, ServiceAccount
from gateway.models import LimitSubject
from gateway.references import is_uuid
from isolation.actor import Actor
from isolation.exceptions import DomainError
from tenants.models import Membership, Project
from tenants.permissions import P

MOST = 10
NOUNS = {
    LimitSubject.PROJECT: "project",
    LimitSubject.API_KEY: "API key",
    LimitSubject.ACTOR: "user or service account",
}


@dataclass(frozen=True, slots=True)
class _Named:
    """Rows that are found by a name.

    Attributes:
        rows: those that may be found.
        name: the column that tells one from all others.
        meaning: the column that explains it.
        pk: the column that a limit stores.
        is_exact: whether upper and lower case differ.
    """

    rows: QuerySet[Any]
    name: str
    meaning: str
    pk: str = "pk"
    is_exact: bool = False


def suggested(actor: Actor, kind: str, typed: str) -> list[tuple[str, str]]:
    """Return (name, what it means) of a few whose name, or what it means, begins like a text; the scope must be open.

    Args:
        actor: who is to see them.
        kind: one of `NOUNS`.
        typed: the text.
    """
    return list(islice(_beginning(actor, kind, typed), MOST))


def subject_named(actor: Actor, kind: str, text: str) -> str:
    """Return the id of whom a text names, by name or by id; the scope must be open.

    Raises:
        DomainError: the actor sees nobody, and nothing, that is called so.
    """
    for named in _named(actor, kind):
        lookup = named.name if named.is_exact else f"{named.name}__iexact"
        which = Q(**{named.pk: text}) if is_uuid(text) else Q(**{lookup: text})
        found = named.rows.filter(which).values_list(named.pk, flat=True).first()
        if found is not None:
            return str(found)
    raise DomainError(f"There is no such {NOUNS[LimitSubject(kind)]} here.", field=kind, code="unknown")


def _beginning(actor: Actor, kind: str, typed: str) -> Iterator[tuple[str, str]]:
    for named in _named(actor, kind):
        begins = Q(**{f"{named.name}__istartswith": typed}) | Q(**{f"{named.meaning}__istartswith": typed})
        rows = named.rows.filter(begins) if typed else named.rows
        yield from rows.order_by(named.name).values_list(named.name, named.meaning)[:MOST]


def _named(actor: Actor, kind: str) -> Iterator[_Named]:
    match kind:
        case LimitSubject.PROJECT:
            yield _Named(Project.objects.visible_to(actor), "slug", "name")
        case LimitSubject.API_KEY:
            yield _Named(ApiKey.objects.visible_to(actor).active(), "public_id", "name", is_exact=True)
        case LimitSubject.ACTOR:
            if actor.can(P.MEMBERS_READ):
                yield _Named(Membership.objects.all(), "user__email", "user__name", "user_id")
            if actor.can(P.SERVICE_ACCOUNTS_READ):
                yield _Named(ServiceAccount.objects.all(), "name", "description")
