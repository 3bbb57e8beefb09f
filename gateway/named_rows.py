"""Rows as people name them, of which there may be more than a list can show: found among what somebody sees."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.db.models import Q, QuerySet

from accounts.models import ApiKey, ServiceAccount
from gateway.models import LimitSubject
from isolation.actor import Actor
from isolation.exceptions import DomainError
from isolation.identifiers import is_uuid
from tenants.models import Membership, Project
from tenants.permissions import P

MOST = 10
"""That are suggested at once."""
NOUNS = {
    LimitSubject.PROJECT: "project",
    LimitSubject.API_KEY: "API key",
    LimitSubject.ACTOR: "user or service account",
}


@dataclass(frozen=True, slots=True)
class NamedRows:
    """Rows that are found by a name.

    Attributes:
        rows: those that may be found.
        name: the column that tells one from all others.
        meaning: the column that explains it.
        pk: the column of the id.
        is_exact: whether upper and lower case differ in names.
    """

    rows: "QuerySet[Any]"
    name: str
    meaning: str
    pk: str = "pk"
    is_exact: bool = False

    def beginning(self, typed: str) -> list[tuple[str, str]]:
        """Return (name, what it means) of a few of which one of both begins like a text."""
        begins = Q(**{f"{self.name}__istartswith": typed}) | Q(**{f"{self.meaning}__istartswith": typed})
        rows = self.rows.filter(begins) if typed else self.rows
        return list(rows.order_by(self.name).values_list(self.name, self.meaning)[:MOST])

    def find(self, text: str) -> Any:
        """Return the row that a text names, by name or by id; None when there is none."""
        lookup = self.name if self.is_exact else f"{self.name}__iexact"
        return self.rows.filter(**{self.pk if is_uuid(text) else lookup: text}).first()


def projects_of(actor: Actor, permission: str = P.PROJECTS_READ) -> NamedRows:
    """Return the projects in which an actor holds a permission; the scope must be open."""
    return NamedRows(Project.objects.visible_to(actor, permission), "slug", "name")


def project_named(actor: Actor, text: str, permission: str, *, field: str = "project") -> Project:
    """Return the project that a text names, among those in which an actor holds a permission; the scope must be open.

    Raises:
        DomainError: there is none such.
    """
    found: Project | None = projects_of(actor, permission).find(text.strip())
    if found is None:
        raise DomainError("There is no such project here.", field=field, code="unknown")
    return found


def suggested_subjects(actor: Actor, kind: str, typed: str) -> list[tuple[str, str]]:
    """Return (name, what it means) of a few whom a limit may name; the scope must be open.

    Args:
        actor: who is to see them.
        kind: one of `NOUNS`.
        typed: what the name, or what it means, begins with.
    """
    return list(islice((one for rows in _subjects(actor, kind) for one in rows.beginning(typed)), MOST))


def subject_named(actor: Actor, kind: str, text: str) -> str:
    """Return the id of whom a text names in a limit; the scope must be open.

    Raises:
        DomainError: the actor sees nobody, and nothing, that is called so.
    """
    for rows in _subjects(actor, kind):
        found = rows.find(text)
        if found is not None:
            return str(getattr(found, rows.pk))
    raise DomainError(f"There is no such {NOUNS[LimitSubject(kind)]} here.", field=kind, code="unknown")


def _subjects(actor: Actor, kind: str) -> Iterator[NamedRows]:
    match kind:
        case LimitSubject.PROJECT:
            yield projects_of(actor)
        case LimitSubject.API_KEY:
            yield NamedRows(ApiKey.objects.visible_to(actor).active(), "public_id", "name", is_exact=True)
        case LimitSubject.ACTOR:
            if actor.can(P.MEMBERS_READ):
                yield NamedRows(Membership.objects.all(), "user__email", "user__name", "user_id")
            if actor.can(P.SERVICE_ACCOUNTS_READ):
                yield NamedRows(ServiceAccount.objects.all(), "name", "description")
