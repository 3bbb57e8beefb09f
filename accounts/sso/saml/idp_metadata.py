"""What an identity provider says of itself (saml-metadata-2.0-os): its entity ID, endpoints and certificates.

The schema is not asked: Entra ID and AD FS publish roles of another standard in the same document.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lxml import etree

from accounts.models.sso import LONGEST_URL
from accounts.sso.exceptions import SignInRefused
from outbound.addresses import check_url
from outbound.client import get
from outbound.exceptions import Unusable

from .certificates import Certificate
from .instants import instant, now
from .names import DS, MD, NAMESPACES, POST, REDIRECT, SAMLP, ds
from .xml import read

LARGEST = 1024 * 1024
"""Bytes of metadata: a whole federation's are no use here."""
MOST_CERTIFICATES = 10
_OK = 200
_SHORT = {REDIRECT: "redirect", POST: "post"}


@dataclass(frozen=True, slots=True)
class IdpMetadata:
    """What counts of an identity provider's metadata.

    Attributes:
        entity_id: how it is called: the issuer of its messages.
        sso: where requests to sign in go, by "redirect" and "post".
        slo: where logout requests and responses go, by the same: pairs of addresses.
        certificates: whose keys sign.
        wants_signed_requests: WantAuthnRequestsSigned.
    """

    entity_id: str
    sso: dict[str, str]
    slo: dict[str, tuple[str, str]]
    certificates: tuple[Certificate, ...]
    wants_signed_requests: bool

    def stored(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return what a connection keeps: its metadata and its keys, as JSON values."""
        metadata = {
            "sso": self.sso,
            "slo": {binding: list(pair) for binding, pair in self.slo.items()},
            "wants_signed_requests": self.wants_signed_requests,
        }
        return metadata, {"certificates": [certificate.body for certificate in self.certificates]}

    @classmethod
    def of(cls, issuer: str, metadata: dict[str, Any], keys: dict[str, Any]) -> "IdpMetadata":
        """Return what a connection keeps, as `stored` made it."""
        return cls(
            entity_id=issuer,
            sso=metadata["sso"],
            slo={binding: (pair[0], pair[1]) for binding, pair in metadata["slo"].items()},
            certificates=tuple(Certificate.of(body) for body in keys["certificates"]),
            wants_signed_requests=metadata["wants_signed_requests"],
        )

    def written(self) -> str:
        """Return them as metadata that say this and nothing else; `parse` reads the same from it."""
        root = etree.Element(f"{{{MD}}}EntityDescriptor", nsmap={"md": MD, "ds": DS}, entityID=self.entity_id)
        role = etree.SubElement(
            root,
            f"{{{MD}}}IDPSSODescriptor",
            WantAuthnRequestsSigned=str(self.wants_signed_requests).lower(),
            protocolSupportEnumeration=SAMLP,
        )
        for certificate in self.certificates:
            key = etree.SubElement(role, f"{{{MD}}}KeyDescriptor", use="signing")
            data = etree.SubElement(etree.SubElement(key, ds("KeyInfo")), ds("X509Data"))
            etree.SubElement(data, ds("X509Certificate")).text = certificate.body
        for binding, short in _SHORT.items():
            if short in self.slo:
                service = etree.SubElement(role, f"{{{MD}}}SingleLogoutService", Binding=binding)
                for name, location in zip(("Location", "ResponseLocation"), self.slo[short], strict=True):
                    service.set(name, location)
        for binding, short in _SHORT.items():
            if short in self.sso:
                location = self.sso[short]
                etree.SubElement(role, f"{{{MD}}}SingleSignOnService", Binding=binding, Location=location)
        text: str = etree.tostring(root, encoding="unicode", pretty_print=True)
        return text.strip()


def fetch(url: str) -> bytes:
    """Return the metadata that stand at a URL.

    Raises:
        OutboundError: they cannot be fetched.
    """
    reply = get(url, headers={"Accept": "application/samlmetadata+xml, application/xml, text/xml"}, max_bytes=LARGEST)
    if reply.status != _OK:
        raise Unusable(f"The address of the metadata answered {reply.status}. Check it.")
    return reply.body


def parse(content: bytes) -> IdpMetadata:
    """Return what counts of metadata.

    Raises:
        SignInRefused: they are none, of no identity provider or several, have expired, or lack what is needed.
        OutboundError: an address in them is refused.
    """
    root = read(content, largest=LARGEST, comments=True)
    if root.tag == f"{{{MD}}}EntitiesDescriptor":
        _check_valid(root)
    entities = [root] if root.tag == f"{{{MD}}}EntityDescriptor" else root.findall("md:EntityDescriptor", NAMESPACES)
    providers = [entity for entity in entities if entity.find("md:IDPSSODescriptor", NAMESPACES) is not None]
    if root.tag.rpartition("}")[2] not in {"EntityDescriptor", "EntitiesDescriptor"} or not providers:
        raise SignInRefused("That is no SAML metadata of an identity provider.")
    if len(providers) > 1:
        raise SignInRefused("The metadata are of several identity providers. Give those of one.")
    (entity,) = providers
    _check_valid(entity)
    entity_id = entity.get("entityID") or ""
    if not entity_id.strip() or entity_id != entity_id.strip() or len(entity_id) > LONGEST_URL:
        raise SignInRefused(f"The metadata have no entity ID, or one of more than {LONGEST_URL} characters.")
    roles = entity.findall("md:IDPSSODescriptor", NAMESPACES)
    role = next((one for one in roles if SAMLP in (one.get("protocolSupportEnumeration") or "").split()), None)
    if role is None:
        raise SignInRefused("The identity provider's metadata do not speak of SAML 2.0.")
    sso = {binding: pair[0] for binding, pair in _endpoints(role, "SingleSignOnService").items()}
    if not sso:
        raise SignInRefused("The metadata have no SingleSignOnService for HTTP-Redirect or HTTP-POST.")
    return IdpMetadata(
        entity_id=entity_id,
        sso=sso,
        slo=_endpoints(role, "SingleLogoutService"),
        certificates=_certificates(role),
        wants_signed_requests=(role.get("WantAuthnRequestsSigned") or "").strip() in {"true", "1"},
    )


def _check_valid(element: Any) -> None:
    until: datetime | None = instant(element.get("validUntil"), "validUntil") if element.get("validUntil") else None
    if until is not None and until < now():
        raise SignInRefused("The metadata have expired (validUntil). Get new ones from the identity provider.")


def _endpoints(role: Any, name: str) -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    for service in role.findall(f"md:{name}", NAMESPACES):
        binding = _SHORT.get(service.get("Binding", ""))
        if binding is None or binding in found:
            continue
        location = check_url(service.get("Location", ""))
        found[binding] = (location, check_url(service.get("ResponseLocation") or location))
    return found


def _certificates(role: Any) -> tuple[Certificate, ...]:
    texts = [
        found.text or ""
        for key in role.findall("md:KeyDescriptor", NAMESPACES)
        if key.get("use", "signing") == "signing"
        for found in key.findall("ds:KeyInfo/ds:X509Data/ds:X509Certificate", NAMESPACES)
    ]
    if not texts:
        raise SignInRefused("The metadata have no certificate that signs.")
    if len(texts) > MOST_CERTIFICATES:
        raise SignInRefused(f"The metadata have more than {MOST_CERTIFICATES} certificates.")
    certificates = {certificate.fingerprint: certificate for certificate in map(Certificate.of, texts)}
    return tuple(certificates.values())
