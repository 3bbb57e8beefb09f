"""Single sign-on that is required needs a way in that works: what must not be taken away while it is."""

from django.db.models import F

from accounts.models import SignInPolicy, SsoConnection, SsoIdentity
from isolation.exceptions import DomainError


def has_proven_connection(*, without: SsoConnection | None = None) -> bool:
    """Return whether people come in by a connection that is switched on; the scope must be open.

    Args:
        without: a connection that does not count, because it is about to go.
    """
    identities = SsoIdentity.objects.filter(connection__is_enabled=True, issuer=F("connection__issuer"))
    if without is not None:
        identities = identities.exclude(connection=without)
    return bool(identities.exists())


def refuse_ending_last_way(connection: SsoConnection, *, what: str) -> None:
    """Refuse to take the last connection away by which people come in, while they have to come by one.

    Args:
        connection: the one that would go.
        what: the sentence's beginning, such as "Okta cannot be switched off".

    Raises:
        DomainError: with code ``sso_required``.
    """
    if SignInPolicy.of(connection.organization_id).requires_sso and not has_proven_connection(without=connection):
        raise DomainError(
            f"{what}: the sign-in policy requires single sign-on, and people come in by no other connection. Change "
            "the policy first.",
            code="sso_required",
        )
