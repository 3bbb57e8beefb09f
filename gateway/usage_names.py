"""How people know what usage and limits name by an id."""

from collections.abc import Iterable
from contextlib import suppress
from uuid import UUID

from accounts.models import ApiKey, ServiceAccount
from gateway.models import LimitSubject
from tenants.models import Membership, Project

GONE = "Deleted"


def subject_label(kind: str, subject: str) -> str:
    """Return what people call a limit's subject; the scope must be open."""
    return subject_labels([(kind, subject)])[kind, subject]


def subject_labels(pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Return what people call several subjects, one question for each kind; the scope must be open.

    Args:
        pairs: kind of subject and subject.
    """
    wanted: dict[str, set[UUID]] = {}
    labels: dict[tuple[str, str], str] = {}
    for kind, subject in pairs:
        if kind == LimitSubject.ORGANIZATION:
            labels[kind, subject] = "The organization"
        elif kind == LimitSubject.MODEL:
            labels[kind, subject] = subject or "Not named"
        elif subject:
            labels[kind, subject] = subject
            with suppress(ValueError):
                wanted.setdefault(kind, set()).add(UUID(subject))
    known: dict[str, dict[UUID, str]] = {}
    if ids := wanted.get(LimitSubject.PROJECT):
        known[LimitSubject.PROJECT] = names_of_projects(ids)
    if ids := wanted.get(LimitSubject.API_KEY):
        known[LimitSubject.API_KEY] = names_of_keys(ids)
    if ids := wanted.get(LimitSubject.ACTOR):
        known[LimitSubject.ACTOR] = names_of_actors(ids)
    for kind, ids in wanted.items():
        for pk in ids:
            labels[kind, str(pk)] = known[kind].get(pk, f"{GONE} ({str(pk)[:8]})")
    return labels


def names_of_projects(ids: Iterable[UUID]) -> dict[UUID, str]:
    """Return the names of projects."""
    return dict(Project.objects.filter(pk__in=set(ids)).values_list("pk", "name"))


def names_of_keys(ids: Iterable[UUID]) -> dict[UUID, str]:
    """Return the names of keys."""
    return dict(ApiKey.objects.filter(pk__in=set(ids)).values_list("pk", "name"))


def names_of_actors(ids: Iterable[UUID]) -> dict[UUID, str]:
    """Return the addresses of people, and the names of service accounts and keys, which are actors of their own."""
    wanted = set(ids)
    names = dict(Membership.objects.filter(user_id__in=wanted).values_list("user_id", "user__email"))
    for model in (ServiceAccount, ApiKey):
        names |= dict(model.objects.filter(pk__in=wanted - names.keys()).values_list("pk", "name"))
    return names
