"""What the audit viewer asks this app: whom an id stands for, and which keys may read."""

from uuid import UUID

from django.db.models import Q

from audit import readers, subjects
from audit.readers import MOST, Reader, Readers
from audit.subjects import Subject
from isolation.actor import Actor

from .models import ApiKey, PlatformKey, ServiceAccount, User


def find_login(pk: UUID, actor: Actor) -> Subject | None:
    """Return the login or the platform key with an id; they belong to the installation, so that operators alone ask."""
    if not actor.runs_installation or actor.organization_id is not None:
        return None
    user = User.objects.filter(pk=pk).first()
    if user is not None:
        return Subject("login", user.email, (pk,), (pk,), (user.email,), (user.email,))
    key = PlatformKey.objects.filter(pk=pk).first()
    return Subject("platform key", str(key), (pk,), (pk,)) if key else None


def find_account(pk: UUID, actor: Actor) -> Subject | None:
    """Return the service account with an id; what its keys did, it did."""
    account = ServiceAccount.objects.filter(pk=pk).first()
    if account is None:
        return None
    rows = ApiKey.objects.filter(service_account=account).order_by("-created_at").values_list("pk", flat=True)
    keys = tuple(rows[:MOST])
    return Subject("service account", account.name, (pk, *keys), keys, parts=(account.name,))


def find_key(pk: UUID, actor: Actor) -> Subject | None:
    """Return the API key with an id."""
    key = ApiKey.objects.filter(pk=pk).first()
    return Subject("API key", str(key), (pk,), (pk,)) if key else None


def keys_that_may(organization_id: UUID, project_id: UUID | None, permission: str) -> Readers:
    """Return the active keys whose scopes allow it; one of a person or account does so as far as its owner may."""
    keys = ApiKey.objects.for_organization(organization_id).active().filter(scopes__contains=[permission])
    place = Q(project=None) | Q(project_id=project_id) if project_id else Q(project=None)
    rows = keys.filter(place).select_related("user", "service_account", "project", "organization").order_by("name")
    found = list(rows[: MOST + 1])
    named = (Reader(str(key), "API key", _why(key, permission)) for key in found[:MOST])
    return Readers(tuple(named), more=len(found) > MOST)


def _why(key: ApiKey, permission: str) -> str:
    limit = f", as far as {key.owner} may" if key.user_id or key.service_account_id else ""
    return f"its scope {permission}{limit}"


subjects.finders += [find_account, find_key, find_login]
readers.sources.append(keys_that_may)
