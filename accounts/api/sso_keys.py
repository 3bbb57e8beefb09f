"""Our keys of a SAML connection, and asking its provider again."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from rest_framework import serializers

from accounts.models import SamlKey, SsoConnection
from accounts.services.saml_keys import add_saml_key, remove_saml_key, use_saml_key
from accounts.services.sso_connections import refresh_sso_connection
from accounts.sso.saml.certificates import Certificate
from api.operation import listing, operation
from api.serializers import Answer
from api.views import OrganizationView
from tenants.permissions import P

from .sso import EXAMPLE as CONNECTION_EXAMPLE
from .sso import TAG, SsoConnectionAnswer, connections


class SamlKeyAnswer(Answer):
    """A key pair of ours, without its private key."""

    id = serializers.UUIDField()
    is_signing = serializers.BooleanField(help_text="Whether it signs. Each key decrypts.")
    certificate = serializers.CharField(help_text="In PEM, for the identity provider.")
    fingerprint = serializers.SerializerMethodField(help_text="SHA-256 of the certificate, in hexadecimal digits.")
    expires_at = serializers.DateTimeField()
    created_at = serializers.DateTimeField()

    def get_fingerprint(self, key: Any) -> str:
        """Return the certificate's fingerprint."""
        return Certificate.of(key.certificate).fingerprint


EXAMPLE = {
    "id": "f4859607-18a2-43b4-a526-071829304152",
    "is_signing": False,
    "certificate": "-----BEGIN CERTIFICATE-----\n…\n-----END CERTIFICATE-----\n",
    "fingerprint": "5f2b9c0d4e1a7f8396b1c2d3e4f5061728394a5b6c7d8e9f0011223344556677",
    "expires_at": "2036-03-01T08:00:00Z",
    "created_at": "2026-03-01T08:00:00Z",
}


class SamlKeys(OrganizationView):
    """Our keys of a SAML connection."""

    tag = TAG

    @listing(
        "listSamlKeys",
        "List our keys of a SAML connection",
        permission=P.SSO_READ,
        response=SamlKeyAnswer,
        ordering={"created_at": "created_at"},
        default_ordering="created_at",
        example=EXAMPLE,
    )
    def get(self, sso_connection: UUID) -> Any:
        """One signs; while keys change there is a second one. None with OpenID Connect."""
        return SamlKey.objects.filter(connection=self.find(connections(), pk=sso_connection))

    @operation(
        "addSamlKey",
        "Add a second key",
        permission=P.SSO_MANAGE,
        response=SamlKeyAnswer,
        status=HTTPStatus.CREATED,
        example=EXAMPLE,
    )
    def post(self, sso_connection: UUID) -> SamlKey:
        """It stands in our metadata and decrypts at once. Give its certificate to the provider, then let it sign."""
        return add_saml_key(connection=self.find(connections(), pk=sso_connection), actor=self.actor)


class OneSamlKey(OrganizationView):
    """One key."""

    tag = TAG

    @operation("removeSamlKey", "Remove a key that does not sign", permission=P.SSO_MANAGE, status=204)
    def delete(self, sso_connection: UUID, saml_key: UUID) -> None:
        """What the provider encrypts for it is not read any more."""
        remove_saml_key(key=self.find(_keys(sso_connection), pk=saml_key), actor=self.actor)


class SamlKeyInUse(OrganizationView):
    """Lets a key sign."""

    tag = TAG

    @operation(
        "useSamlKey",
        "Let a key sign",
        permission=P.SSO_MANAGE,
        response=SamlKeyAnswer,
        example=EXAMPLE | {"is_signing": True},
    )
    def post(self, sso_connection: UUID, saml_key: UUID) -> SamlKey:
        """The other one goes on decrypting until it is removed."""
        return use_saml_key(key=self.find(_keys(sso_connection), pk=saml_key), actor=self.actor)


class SsoConnectionRefreshed(OrganizationView):
    """Asks the provider again."""

    tag = TAG

    @operation(
        "refreshSsoConnection",
        "Ask a connection's provider again",
        permission=P.SSO_MANAGE,
        response=SsoConnectionAnswer,
        example=CONNECTION_EXAMPLE,
    )
    def post(self, sso_connection: UUID) -> SsoConnection:
        """What it says of itself, and its keys, are fetched now, as once a day by itself."""
        refresh_sso_connection(connection=self.find(connections(), pk=sso_connection))
        found: SsoConnection = self.find(connections(), pk=sso_connection)
        return found


def _keys(connection: UUID) -> Any:
    return SamlKey.objects.select_related("connection").filter(connection=connection)
