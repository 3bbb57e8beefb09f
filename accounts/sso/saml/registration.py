"""What speaking to an identity provider takes of a connection: data without models."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from accounts.models import SamlKey, SsoConnection

from .addresses import acs_url, entity_id, slo_url
from .certificates import Certificate


@dataclass(frozen=True, slots=True)
class OwnKey:
    """A key pair of ours.

    Attributes:
        certificate: PEM.
        private_key: PEM, never shown.
    """

    certificate: str
    private_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SamlRegistration:
    """A connection as the service provider sees it.

    Attributes:
        issuer: the identity provider's entity ID.
        certificates: whose keys sign its messages.
        metadata: as `IdpMetadata.stored` makes it.
        keys: ours, the one that signs first.
        signs_requests: whether requests to sign in are signed.
        allows_idp_initiated: whether answers that nobody asked for are taken.
        subject_attribute: which attribute says who somebody is, "" for the NameID.
    """

    connection_id: UUID
    organization_id: UUID
    issuer: str
    certificates: tuple[Certificate, ...]
    metadata: dict[str, Any] = field(repr=False)
    keys: tuple[OwnKey, ...] = field(repr=False)
    signs_requests: bool
    allows_idp_initiated: bool
    subject_attribute: str

    @classmethod
    def of(cls, connection: SsoConnection) -> "SamlRegistration":
        """Return what is stored; the connection's scope must be open."""
        rows = SamlKey.objects.filter(connection=connection).order_by("-is_signing", "created_at")
        return cls(
            connection_id=connection.pk,
            organization_id=connection.organization_id,
            issuer=connection.issuer,
            certificates=tuple(Certificate.of(body) for body in connection.keys.get("certificates", [])),
            metadata=connection.metadata,
            keys=tuple(OwnKey(row.certificate, row.private_key.reveal()) for row in rows),
            signs_requests=connection.signs_requests or bool(connection.metadata.get("wants_signed_requests")),
            allows_idp_initiated=connection.allows_idp_initiated,
            subject_attribute=connection.subject_attribute,
        )

    @property
    def entity_id(self) -> str:
        """Return how we are called."""
        return entity_id(self.connection_id)

    @property
    def acs_url(self) -> str:
        """Return where assertions are brought."""
        return acs_url(self.connection_id)

    @property
    def slo_url(self) -> str:
        """Return where logouts are brought."""
        return slo_url(self.connection_id)

    @property
    def private_keys(self) -> list[str]:
        """Return what decrypts."""
        return [key.private_key for key in self.keys]
