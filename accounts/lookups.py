"""What is asked and told outside any organization's scope; each is one narrow function of the database."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from django.db import connections

from isolation.scope import APP
from tenants.authority import MemberAuthority, assemble

from .key_digests import possible_digests
from .key_record import KeyRecord, PersonalKeyRule
from .scim_token_record import ScimTokenRecord
from .sso_door import SsoDoor


def key_by_secret(secret: str) -> KeyRecord | None:
    """Return what is stored about the key with this secret, None when there is no such key."""
    with connections[APP].cursor() as cursor:
        cursor.execute("SELECT * FROM accounts_keys_by_digest(%s)", [possible_digests(secret)])
        row = cursor.fetchone()
    return KeyRecord(*row) if row else None


def scim_token_by_secret(secret: str) -> ScimTokenRecord | None:
    """Return what is stored about the SCIM token with this secret, None when there is no such token."""
    return _scim_token(possible_digests(secret), None)


def scim_token_by_id(token_id: UUID) -> ScimTokenRecord | None:
    """Return what is stored about the SCIM token with this id, None when there is no such token."""
    return _scim_token([], token_id)


def peppers_in_force() -> set[int]:
    """Return the numbers of the peppers that keys in force need, platform keys and SCIM tokens among them."""
    with connections[APP].cursor() as cursor:
        cursor.execute(
            "SELECT pepper FROM accounts_peppers_in_force() UNION SELECT pepper FROM accounts_scim_peppers_in_force()"
        )
        return {number for (number,) in cursor.fetchall()}


def service_account_authority(account_id: UUID, organization_id: UUID) -> MemberAuthority:
    """Return what a service account may do in the organization whose `tenant_scope` is open, by one SQL statement.

    An inactive account and a stranger's get an authority that allows nothing.
    """
    with connections[APP].cursor() as cursor:
        cursor.execute("SELECT * FROM accounts_service_account_authority(%s, %s)", [organization_id, account_id])
        return assemble(organization_id, cursor.fetchall())


def organizations_with_waiting_people() -> list[UUID]:
    """Return the organizations in which provisioned people can be let in, or are to be invited."""
    with connections[APP].cursor() as cursor:
        cursor.execute("SELECT organization_id FROM accounts_organizations_with_waiting_people()")
        return [organization_id for (organization_id,) in cursor.fetchall()]


def sso_door(connection_id: UUID) -> SsoDoor | None:
    """Return where a single sign-on connection leads, None when there is none with this id."""
    with connections[APP].cursor() as cursor:
        cursor.execute("SELECT * FROM accounts_sso_door(%s)", [connection_id])
        row = cursor.fetchone()
    return SsoDoor(*row) if row else None


def sso_doors_of_domain(name: str) -> list[SsoDoor]:
    """Return the connections by which people of a domain sign in, those that are open.

    Args:
        name: the domain, in the form that `tenants.domain_names.mail_domain` returns.
    """
    with connections[APP].cursor() as cursor:
        cursor.execute("SELECT * FROM accounts_sso_doors_of_domain(%s)", [name])
        return [SsoDoor(*row) for row in cursor.fetchall()]


def sso_doors_required(domain: str, user_id: UUID | None) -> list[SsoDoor]:
    """Return the connections of the organization that holds a login to single sign-on; none: nobody does.

    Args:
        domain: of its address, in the form that `tenants.domain_names.mail_domain` returns.
        user_id: the login; None: one that is to be made with such an address.
    """
    with connections[APP].cursor() as cursor:
        cursor.execute("SELECT * FROM accounts_sso_doors_required(%s, %s)", [domain, user_id])
        return [SsoDoor(*row) for row in cursor.fetchall()]


def sso_setup_link_by_digest(digest: bytes) -> tuple[UUID, UUID] | None:
    """Return (link id, organization id) for the SHA-256 of a set-up link's token, or None."""
    with connections[APP].cursor() as cursor:
        cursor.execute("SELECT * FROM accounts_sso_setup_link_by_digest(%s)", [digest])
        row = cursor.fetchone()
    return (row[0], row[1]) if row else None


def personal_key_rule(organization_id: UUID, user_id: UUID) -> PersonalKeyRule:
    """Return what the policy of the organization whose `tenant_scope` is open asks of somebody's personal keys."""
    with connections[APP].cursor() as cursor:
        cursor.execute("SELECT * FROM accounts_personal_key_rule(%s, %s)", [organization_id, user_id])
        row = cursor.fetchone()
    return PersonalKeyRule(*row) if row else PersonalKeyRule()


def touch_keys(uses: Mapping[UUID, tuple[datetime, str | None]]) -> None:
    """Write when and from where keys were last used, in one statement.

    Args:
        uses: for each key's id, the moment and the client's address.
    """
    times, addresses = zip(*uses.values(), strict=True)
    with connections[APP].cursor() as cursor:
        cursor.execute("SELECT accounts_touch_keys(%s, %s, %s)", [list(uses), list(times), list(addresses)])


def _scim_token(digests: list[bytes], token_id: UUID | None) -> ScimTokenRecord | None:
    with connections[APP].cursor() as cursor:
        cursor.execute("SELECT * FROM accounts_scim_token(%s::bytea[], %s)", [digests, token_id])
        row = cursor.fetchone()
    return ScimTokenRecord(*row) if row else None
