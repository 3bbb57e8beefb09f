"""What we say of ourselves to the identity provider (saml-metadata-2.0-os section 2.4.4)."""

from collections.abc import Sequence
from typing import Any

from lxml import etree

from .addresses import acs_url, entity_id, slo_url
from .certificates import Certificate
from .encryption import OAEP_MGF1
from .names import DS, EMAIL, MD, PERSISTENT, POST, REDIRECT, SAMLP, XENC11, ds

_GCM = (f"{XENC11}aes256-gcm", f"{XENC11}aes128-gcm")


def sp_metadata(connection_id: Any, certificates: Sequence[str], *, signs_requests: bool) -> bytes:
    """Return our metadata for a connection.

    Args:
        connection_id: the connection's.
        certificates: ours in PEM, the one that signs first; while keys change there are two.
        signs_requests: whether requests to sign in are signed.
    """
    root = etree.Element(f"{{{MD}}}EntityDescriptor", nsmap={"md": MD, "ds": DS}, entityID=entity_id(connection_id))
    role = etree.SubElement(
        root,
        f"{{{MD}}}SPSSODescriptor",
        AuthnRequestsSigned=str(signs_requests).lower(),
        WantAssertionsSigned="true",
        protocolSupportEnumeration=SAMLP,
    )
    for use in ("signing", "encryption"):
        for certificate in certificates:
            _key(role, use, Certificate.of(certificate).body)
    for binding in (REDIRECT, POST):
        etree.SubElement(role, f"{{{MD}}}SingleLogoutService", Binding=binding, Location=slo_url(connection_id))
    for name_format in (PERSISTENT, EMAIL):
        etree.SubElement(role, f"{{{MD}}}NameIDFormat").text = name_format
    consumer = etree.SubElement(
        role, f"{{{MD}}}AssertionConsumerService", Binding=POST, Location=acs_url(connection_id), index="0"
    )
    consumer.set("isDefault", "true")
    content: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)
    return content


def _key(role: Any, use: str, body: str) -> None:
    key = etree.SubElement(role, f"{{{MD}}}KeyDescriptor", use=use)
    info = etree.SubElement(key, ds("KeyInfo"))
    data = etree.SubElement(info, ds("X509Data"))
    etree.SubElement(data, ds("X509Certificate")).text = body
    if use == "encryption":
        for algorithm in (*_GCM, OAEP_MGF1):
            etree.SubElement(key, f"{{{MD}}}EncryptionMethod", Algorithm=algorithm)
