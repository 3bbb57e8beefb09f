"""How people know what usage and limits name by an id."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from uuid import UUID

from accounts.models import ApiKey, ServiceAccount
from gateway.models import LimitSubject
from tenants.models import Membership, Project

OUTCOMES = {
    "api_keys_not_accepted": "API keys not accepted",
    "body_too_large": "Body too large",
    "budget_exceeded": "Budget used up",
    "concurrency_exceeded": "Too many at the same time",
    "counters_unavailable": "Limits could not be counted",
    "credential_missing": "No provider credential",
    "credential_unavailable": "Provider credential not available",
    "key_invalid": "API key not valid",
    "malformed": "Request not readable",
    "mapping_unknown": "Mapping of bodies not known",
    "model_not_allowed": "Model not allowed",
    "network_not_allowed": "Network not allowed",
    "not_maskable": "Prompt could not be masked",
    "organization_suspended": "Organization suspended",
    "permission_missing": "Permission missing",
    "project_suspended": "Project suspended",
    "project_unknown": "Project not known",
    "provider_unknown": "Provider or path not known",
    "proxy_disabled": "Proxy switched off",
    "rate_limited": "Too many in a minute",
    "token_expired": "Token expired",
    "token_invalid": "Token not valid",
    "token_revoked": "Token revoked",
    "too_many_guesses": "Too many wrong keys",
    "unavailable": "Check not available",
    "unsupported_media_type": "Body compressed",
    "untranslatable": "Not translatable for the provider",
    "upstream_error": "The provider answered with an error",
}


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
    for kind, ids in wanted.items():
        known = _NAMES[kind](ids)
        for pk in ids:
            labels[kind, str(pk)] = known.get(pk, gone(pk))
    return labels


def gone(pk: UUID) -> str:
    """Return what is said of somebody, or something, that is not there any more."""
    return f"Deleted ({str(pk)[:8]})"


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


def names_of_outcomes(codes: Iterable[str]) -> dict[str, str]:
    """Return what people read of outcomes; the codes themselves are for programs."""
    return {code: OUTCOMES.get(code, code) for code in codes}


_NAMES: Mapping[str, Callable[[Iterable[UUID]], dict[UUID, str]]] = {
    LimitSubject.PROJECT: names_of_projects,
    LimitSubject.API_KEY: names_of_keys,
    LimitSubject.ACTOR: names_of_actors,
}
