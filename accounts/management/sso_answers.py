"""What ``manage.py sso_connection`` prints of connections and of our keys."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from accounts.models import SamlKey, SsoConnection, SsoGroupMapping
from accounts.sso.oidc.registration import backchannel_logout_uri, redirect_uri, signed_out_uri
from accounts.sso.saml.addresses import acs_url, entity_id, slo_url
from accounts.sso.saml.certificates import Certificate
from accounts.sso.views import test_url


def shown_connections(connections: Iterable[SsoConnection]) -> list[dict[str, Any]]:
    """Return connections as they are printed, without their secrets; one more query, however many there are."""
    found = list(connections)
    groups: dict[UUID, list[dict[str, str]]] = defaultdict(list)
    mappings = SsoGroupMapping.objects.filter(connection__in=found).select_related("group")
    for mapping in mappings.order_by("value", "group__name"):
        groups[mapping.connection_id].append({"value": mapping.value, "group": mapping.group.name})
    return [_shown(connection, groups[connection.pk]) for connection in found]


def shown_connection(connection: SsoConnection) -> dict[str, Any]:
    """Return one connection as it is printed."""
    (shown,) = shown_connections([connection])
    return shown


def shown_keys(connection: SsoConnection) -> list[dict[str, Any]]:
    """Return our keys as they are printed, without what is private."""
    return [
        {
            "id": key.pk,
            "is_signing": key.is_signing,
            "certificate": key.certificate,
            "fingerprint": Certificate.of(key.certificate).fingerprint,
            "expires_at": key.expires_at,
        }
        for key in SamlKey.objects.filter(connection=connection).order_by("-is_signing", "created_at")
    ]


def _shown(connection: SsoConnection, groups: list[dict[str, str]]) -> dict[str, Any]:
    return {
        "id": connection.pk,
        "protocol": connection.protocol,
        **(_saml(connection) if connection.is_saml else _openid(connection)),
        "name": connection.name,
        "provider": connection.provider,
        "issuer": connection.issuer,
        "client_id": connection.client_id,
        "has_secret": connection.client_secret is not None,
        "joining": connection.joining,
        "role": connection.role.key if connection.role else None,
        "email_claim": connection.email_claim,
        "name_claim": connection.name_claim,
        "external_id_claim": connection.external_id_claim,
        "groups_claim": connection.groups_claim,
        "owner_value": connection.owner_value,
        "scopes": connection.scopes,
        "domains": connection.domains,
        "scim_connection": connection.scim_connection.name if connection.scim_connection else None,
        "ends_at_provider": connection.ends_at_provider,
        "groups": groups,
        "test_url": test_url(connection),
        "is_enabled": connection.is_enabled,
    }


def _saml(connection: SsoConnection) -> dict[str, Any]:
    certificates = [Certificate.of(body) for body in connection.keys.get("certificates", [])]
    return {
        "entity_id": entity_id(connection.pk),
        "acs_url": acs_url(connection.pk),
        "slo_url": slo_url(connection.pk),
        "metadata_url": connection.metadata_url,
        "certificates": [
            {"fingerprint": certificate.fingerprint, "expires_at": certificate.expires_at}
            for certificate in certificates
        ],
        "subject_attribute": connection.subject_attribute,
        "signs_requests": connection.signs_requests,
        "allows_idp_initiated": connection.allows_idp_initiated,
    }


def _openid(connection: SsoConnection) -> dict[str, Any]:
    return {
        "redirect_uri": redirect_uri(connection.pk),
        "signed_out_uri": signed_out_uri(connection.pk),
        "backchannel_logout_uri": backchannel_logout_uri(connection.pk),
    }
