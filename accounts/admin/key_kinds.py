"""Which kinds of key somebody may make, for whom, and with which scopes."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.urls import reverse

from accounts.key_format import KeyKind
from accounts.models import ServiceAccount
from console.access import actor_of, can
from isolation.actor import Actor, ActorKind
from tenants.models import Project
from tenants.permissions import PERMISSIONS, Level, P

MOST_CHOICES = 300


@dataclass(frozen=True, slots=True)
class KeyChoice:
    """One kind of key on the first page.

    Attributes:
        kind: the kind.
        title, text, icon: how it is shown; one sentence.
        missing: what has to be made before; "" when nothing.
        missing_url: where that is made, "" when the actor may not.
    """

    kind: KeyKind
    title: str
    text: str
    icon: str
    missing: str = ""
    missing_url: str = ""

    @property
    def url(self) -> str:
        """Return where the form of this kind is."""
        return f"{reverse('console:accounts_apikey_add')}?kind={self.kind}"


def may_make(request: HttpRequest) -> list[KeyKind]:
    """Return the kinds of key that the actor may make; an operator on a visit makes none."""
    actor = actor_of(request)
    if actor.kind is not ActorKind.USER:
        return []
    kinds = []
    if actor.authority.allows_somewhere(P.API_KEYS_MANAGE):
        kinds.append(KeyKind.PROJECT)
    if can(request, P.API_KEYS_MANAGE):
        kinds += [KeyKind.SERVICE_ACCOUNT, KeyKind.ORGANIZATION]
    return [*kinds, KeyKind.PERSONAL]


_ABOUT = {
    KeyKind.PROJECT: (
        "Project key",
        "For one application in one project: it counts there and nowhere else.",
        "folder",
    ),
    KeyKind.SERVICE_ACCOUNT: (
        "Service account key",
        "For a program with a role of its own: it never allows more than that role does at the moment.",
        "smart_toy",
    ),
    KeyKind.ORGANIZATION: (
        "Organization key",
        "For automation across projects: it counts in the whole organization, future projects included.",
        "domain",
    ),
    KeyKind.PERSONAL: (
        "Personal key",
        "For your own scripts: it never allows more than you may do yourself, and ends when you leave.",
        "person",
    ),
}


def about(kind: KeyKind) -> str:
    """Return what a kind of key is for, in a sentence."""
    return _ABOUT[kind][1]


def choices(request: HttpRequest) -> Iterator[KeyChoice]:
    """Yield the cards of the first page."""
    for kind in may_make(request):
        yield KeyChoice(kind, *_ABOUT[kind], *_missing(request, kind))


def _missing(request: HttpRequest, kind: KeyKind) -> tuple[str, str]:
    """Return what has to be made before a key of this kind, and where the actor makes it."""
    if kind is KeyKind.PROJECT and not projects_of(request):
        may_make_one = can(request, P.PROJECTS_CREATE)
        return "There is no project yet.", reverse("console:tenants_project_add") if may_make_one else ""
    if kind is KeyKind.SERVICE_ACCOUNT and not accounts_of():
        may_make_one = can(request, P.SERVICE_ACCOUNTS_MANAGE)
        return "There is no service account yet.", (
            reverse("console:accounts_serviceaccount_add") if may_make_one else ""
        )
    return "", ""


def projects_of(request: HttpRequest, wanted: str = "") -> list[Project]:
    """Return the projects that the actor may make keys in, at most `MOST_CHOICES` and the one wanted."""
    rows = Project.objects.visible_to(actor_of(request), P.API_KEYS_MANAGE).filter(purge_at=None)
    return _first(rows, wanted)


def accounts_of(wanted: str = "") -> list[ServiceAccount]:
    """Return the organization's service accounts, at most `MOST_CHOICES` and the one wanted."""
    return _first(ServiceAccount.objects.all(), wanted)


def grantable(actor: Actor, kind: str, project: Project | None = None) -> frozenset[P]:
    """Return what the actor can give a key: in its project, everywhere, or somewhere for their own.

    Args:
        actor: who would give it.
        kind: the key's.
        project: of a project's key, None as long as it is not chosen.
    """
    authority = actor.authority
    match kind:
        case KeyKind.PROJECT:
            names = [name for name, item in PERMISSIONS.items() if item.level is Level.PROJECT]
            if project is not None:
                return frozenset(name for name in names if actor.can(name, project))
            return frozenset(name for name in names if authority.allows_somewhere(name))
        case KeyKind.PERSONAL:
            return frozenset(name for name in P if authority.allows_somewhere(name))
    return frozenset(name for name in P if authority.allows_everywhere(name))


def _first(rows: Any, wanted: str) -> list[Any]:
    found = list(rows.order_by("name", "pk")[:MOST_CHOICES])
    if wanted and len(found) == MOST_CHOICES and all(str(row.pk) != wanted for row in found):
        with suppress(ValidationError):  # no UUID
            found += rows.filter(pk=wanted)
    return found
