"""X.509 certificates: the identity provider's, of which the key counts, and ours."""

import base64
import binascii
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from django.utils import timezone

from accounts.sso.exceptions import SignInRefused

SHORTEST_RSA = 2048
OWN_LIFE = timedelta(days=10 * 365)
_OWN_BITS = 3072


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate whose key signs.

    Attributes:
        pem: PEM, with one line break at the end.
        kind: "RSA" or "EC".
        fingerprint: SHA-256 of the DER form, in hexadecimal digits.
        subject: whose it is, for people to read.
        expires_at: until when it is valid. The key counts beyond that (saml-metadata-2.0-os names the key, not how
            long it counts); people are warned in time.
    """

    pem: str
    kind: str
    fingerprint: str
    subject: str
    expires_at: datetime

    @classmethod
    def of(cls, text: str) -> "Certificate":
        """Return the certificate in PEM, or in base64 as metadata have it.

        Raises:
            SignInRefused: it is none, or its key is too weak.
        """
        body = "".join(line for line in text.split("\n") if "-----" not in line)
        try:
            der = base64.b64decode("".join(body.split()), validate=True)
            found = x509.load_der_x509_certificate(der)
            key = found.public_key()
            subject, expires_at = found.subject.rfc4514_string(), found.not_valid_after_utc
        except (ValueError, binascii.Error, TypeError, UnsupportedAlgorithm):
            raise SignInRefused("The metadata hold a certificate that cannot be read.") from None
        if isinstance(key, rsa.RSAPublicKey):
            kind = "RSA"
            if key.key_size < SHORTEST_RSA:
                raise SignInRefused(
                    f"The identity provider's key has {key.key_size} bits; {SHORTEST_RSA} are needed at least."
                )
        elif isinstance(key, ec.EllipticCurvePublicKey):
            kind = "EC"
        else:
            raise SignInRefused("The identity provider's key is neither an RSA nor an elliptic curve key.")
        return cls(
            pem=found.public_bytes(serialization.Encoding.PEM).decode(),
            kind=kind,
            fingerprint=hashlib.sha256(der).hexdigest(),
            subject=subject[:200],
            expires_at=expires_at,
        )

    @property
    def body(self) -> str:
        """Return the base64 form, as metadata have it."""
        return "".join(line for line in self.pem.splitlines() if "-----" not in line)

    @property
    def days_left(self) -> int:
        """Return for how many whole days it is valid still, below 0 when it has expired."""
        return (self.expires_at - timezone.now()).days


def new_key_pair(common_name: str) -> tuple[str, str]:
    """Return a new private key and its self-signed certificate, both in PEM.

    Args:
        common_name: whose it is; the first 64 characters count (RFC 5280).
    """
    key = rsa.generate_private_key(public_exponent=65_537, key_size=_OWN_BITS)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + OWN_LIFE)
        .sign(key, hashes.SHA256())
    )
    private_key = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private_key.decode(), made.public_bytes(serialization.Encoding.PEM).decode()
