"""Ending the sessions of somebody who signed out at their identity provider."""

from django.db import IntegrityError, transaction

from accounts import signals
from accounts.models import SsoConnection, SsoIdentity, SsoLogout
from accounts.sso.exceptions import SignInRefused
from accounts.sso.oidc.logout_token import LogoutToken

from .connection_actor import provider_actor


@transaction.atomic
def end_sessions(*, connection: SsoConnection, told: LogoutToken) -> None:
    """Let sessions that a connection opened hold no more; they are out with their next request.

    What the password opened, or opened further, is the person's own and stays: the provider speaks for one place.

    Args:
        connection: whose provider said so; its scope must be open.
        told: what it said, checked.

    Raises:
        SignInRefused: the token was used already.
    """
    shared = {"organization_id": connection.organization_id, "connection": connection, "issuer": connection.issuer}
    try:
        with transaction.atomic():
            SsoLogout(**shared, jti=told.jti, subject=told.subject, sid=told.sid).save(force_insert=True)
    except IntegrityError as error:
        raise SignInRefused("The logout token was used already (jti).") from error
    known = SsoIdentity.objects.filter(connection=connection, issuer=connection.issuer, subject=told.subject)
    identity = known.select_related("membership__user").first() if told.subject else None
    signals.sso_sessions_ended.announce(
        identity.membership if identity else connection,
        actor=provider_actor(connection),
        after={name: value for name, value in (("subject", told.subject), ("sid", told.sid)) if value},
    )
