"""The messages that we send, and how a browser carries them: HTTP-Redirect or HTTP-POST (saml-bindings-2.0-os)."""

import base64
import secrets
import zlib
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from lxml import etree

from accounts.sso.signed_in import ProviderSession

from .instants import now, written
from .names import POST, RSA_SHA256, SUCCESS, saml, samlp
from .registration import OwnKey, SamlRegistration
from .signatures import sign

_NSMAP = {"samlp": "urn:oasis:names:tc:SAML:2.0:protocol", "saml": "urn:oasis:names:tc:SAML:2.0:assertion"}


@dataclass(frozen=True, slots=True)
class Departure:
    """How a browser leaves with a message.

    Attributes:
        url: where it goes.
        fields: of the form that it sends; none: it is redirected.
    """

    url: str
    fields: dict[str, str]


def new_id() -> str:
    """Return an ID of 256 bits, which is an xs:ID too."""
    return f"_{secrets.token_hex(32)}"


def authn_request(registration: SamlRegistration, request_id: str, *, again: bool = False) -> Departure:
    """Return the request to sign somebody in (saml-core-2.0-os section 3.4.1).

    Args:
        registration: the connection.
        request_id: what the answer has to name.
        again: the provider shall ask for proof also when they are signed in there.
    """
    binding, url = _preferred(registration.metadata["sso"])
    message = _message(registration, "AuthnRequest", request_id, url)
    message.set("AssertionConsumerServiceURL", registration.acs_url)
    message.set("ProtocolBinding", POST)
    if again:
        message.set("ForceAuthn", "true")
    etree.SubElement(message, samlp("NameIDPolicy"), AllowCreate="true")
    key = registration.keys[0] if registration.signs_requests else None
    return _departure(binding, url, "SAMLRequest", message, key)


def logout_request(registration: SamlRegistration, session: ProviderSession) -> Departure | None:
    """Return the request to end somebody's session there, signed; None when the provider takes none (section 3.7.1)."""
    if not registration.metadata.get("slo"):
        return None
    binding, (url, _) = _preferred(registration.metadata["slo"])
    message = _message(registration, "LogoutRequest", new_id(), url)
    name_id = etree.SubElement(message, saml("NameID"))
    name_id.text = session.name_id
    for attribute, value in (
        ("Format", session.name_id_format),
        ("NameQualifier", session.name_qualifier),
        ("SPNameQualifier", session.sp_name_qualifier),
    ):
        if value:
            name_id.set(attribute, value)
    if session.session_index:
        etree.SubElement(message, samlp("SessionIndex")).text = session.session_index
    return _departure(binding, url, "SAMLRequest", message, registration.keys[0])


def logout_response(registration: SamlRegistration, in_response_to: str, relay_state: str) -> Departure | None:
    """Return the answer that sessions have ended, signed; None when the provider takes none (section 3.7.2)."""
    if not registration.metadata.get("slo"):
        return None
    binding, (_, url) = _preferred(registration.metadata["slo"])
    message = _message(registration, "LogoutResponse", new_id(), url)
    message.set("InResponseTo", in_response_to)
    status = etree.SubElement(message, samlp("Status"))
    etree.SubElement(status, samlp("StatusCode"), Value=SUCCESS)
    return _departure(binding, url, "SAMLResponse", message, registration.keys[0], relay_state)


def _preferred(endpoints: dict[str, Any]) -> tuple[str, Any]:
    return ("redirect", endpoints["redirect"]) if "redirect" in endpoints else ("post", endpoints["post"])


def _message(registration: SamlRegistration, name: str, message_id: str, destination: str) -> Any:
    message = etree.Element(samlp(name), nsmap=_NSMAP)
    for attribute, value in (
        ("ID", message_id),
        ("Version", "2.0"),
        ("IssueInstant", written(now())),
        ("Destination", destination),
    ):
        message.set(attribute, value)
    etree.SubElement(message, saml("Issuer")).text = registration.entity_id
    return message


def _departure(
    binding: str, url: str, field: str, message: Any, key: OwnKey | None, relay_state: str = ""
) -> Departure:
    state = {"RelayState": relay_state} if relay_state else {}
    if binding == "post":
        content = (
            sign(message, private_key=key.private_key, certificate=key.certificate) if key else etree.tostring(message)
        )
        return Departure(url, {field: base64.b64encode(content).decode(), **state})
    compressor = zlib.compressobj(wbits=-15)
    deflated = compressor.compress(etree.tostring(message)) + compressor.flush()
    query = urlencode({field: base64.b64encode(deflated).decode(), **state})
    if key is not None:
        query = _signed_query(query, key)
    return Departure(f"{url}{'&' if '?' in url else '?'}{query}", {})


def _signed_query(query: str, key: OwnKey) -> str:
    """Return a query with its signature (saml-bindings-2.0-os section 3.4.4.1)."""
    query = f"{query}&{urlencode({'SigAlg': RSA_SHA256})}"
    private_key = serialization.load_pem_private_key(key.private_key.encode(), password=None)
    assert isinstance(private_key, rsa.RSAPrivateKey)  # noqa: S101 - made by us
    signature = private_key.sign(query.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{query}&{urlencode({'Signature': base64.b64encode(signature).decode()})}"
