"""Telling people in time that a certificate of a SAML connection expires: once for each of a few days before."""

from dataclasses import dataclass
from datetime import datetime

from accounts import signals
from accounts.models import SamlCertificateWarning, SamlKey, SsoConnection
from accounts.sso.saml.certificates import Certificate
from isolation.actor import SYSTEM

DAYS_BEFORE = (1, 7, 30)
"""On which days before the end people are told, the last first."""


@dataclass(frozen=True, slots=True)
class Expiring:
    """A certificate that ends soon.

    Attributes:
        whose: "the identity provider's" or "ours".
        fingerprint: SHA-256.
        expires_at: until when it is valid.
        days_left: whole days until then; below 0 when it has ended.
    """

    whose: str
    fingerprint: str
    expires_at: datetime
    days_left: int


def newly_expiring(connection: SsoConnection) -> list[Expiring]:
    """Return the certificates of which nobody was told yet for the days that are left, and remember that they are.

    The connection's scope must be open; each is an audit event.
    """
    found = []
    for whose, certificate in _certificates(connection):
        mark = next((days for days in DAYS_BEFORE if certificate.days_left < days), None)
        if mark is None or not _is_first(connection, certificate, mark):
            continue
        expiring = Expiring(whose, certificate.fingerprint, certificate.expires_at, certificate.days_left)
        signals.sso_certificate_expires.announce(
            connection,
            actor=SYSTEM,
            after={"whose": whose, "fingerprint": expiring.fingerprint, "expires_at": expiring.expires_at.isoformat()},
        )
        found.append(expiring)
    return found


def _certificates(connection: SsoConnection) -> list[tuple[str, Certificate]]:
    bodies = connection.keys.get("certificates", [])
    ours = SamlKey.objects.filter(connection=connection).values_list("certificate", flat=True)
    return [
        *(("the identity provider's", Certificate.of(body)) for body in bodies),
        *(("ours", Certificate.of(pem)) for pem in ours),
    ]


def _is_first(connection: SsoConnection, certificate: Certificate, days: int) -> bool:
    """Remember a warning; return whether it is the first for these days."""
    warning = SamlCertificateWarning(
        organization_id=connection.organization_id,
        connection=connection,
        fingerprint=certificate.fingerprint,
        days=days,
    )
    SamlCertificateWarning.objects.bulk_create([warning], ignore_conflicts=True)
    return bool(SamlCertificateWarning.objects.filter(pk=warning.pk).exists())
