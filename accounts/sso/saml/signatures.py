"""XML signatures: what is read afterwards is what was signed, byte by byte (saml-core-2.0-os section 5.4).

xmlsec checks the signature in a document that holds the signed element alone. Then the digest is computed once more,
over the canonical form that is parsed anew for reading: nothing else of the message is looked at.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import xmlsec
from lxml import etree
from onelogin.saml2.utils import OneLogin_Saml2_Utils

from accounts.sso.exceptions import SignInRefused

from .certificates import Certificate
from .names import DIGESTS, ENVELOPED, EXCLUSIVE_C14N, RSA_SHA256, SIGNATURES, ds
from .xml import read

_SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
_ID_ATTRIBUTES = ("ID", "Id", "id", "AssertionID", "{http://www.w3.org/XML/1998/namespace}id")


def check_ids(root: Any) -> None:
    """Refuse a document in which two elements have the same ID, by whichever attribute.

    Raises:
        SignInRefused: they have.
    """
    seen: set[str] = set()
    for element in root.iter(etree.Element):
        for name in _ID_ATTRIBUTES:
            value = element.get(name)
            if value is None:
                continue
            if value in seen:
                raise SignInRefused("Two elements of the message have the same ID.")
            seen.add(value)


def signed(element: Any, certificates: Sequence[Certificate], what: str) -> Any:
    """Return an element as it was signed, in a document of its own and without its signature.

    Args:
        element: what has to be signed, by a signature that is its child.
        certificates: whose keys may have signed it.
        what: what it is called.

    Raises:
        SignInRefused: no such key signed it, or not as SAML says.
    """
    copy = alone(element)
    signature = _only_signature(copy, what)
    reference, prefixes = _checked_reference(signature, copy.get("ID"), what)
    _verify(copy, signature, certificates, what)
    # The signature goes, and with it no text that follows it.
    _without(copy, signature)
    content = _canonical(copy, prefixes)
    algorithm = DIGESTS[reference.find(ds("DigestMethod")).get("Algorithm")]
    found = hashlib.new(algorithm, content).digest()
    if not hmac.compare_digest(found, _base64(reference.findtext(ds("DigestValue")), what)):
        raise SignInRefused(f"The {what} is not what was signed.")
    return read(content)


def has_signature(element: Any) -> bool:
    """Return whether an element has a signature of its own."""
    return element.find(ds("Signature")) is not None


def sign(element: Any, *, private_key: str, certificate: str) -> bytes:
    """Return a message of ours with its signature, RSA with SHA-256, after its Issuer."""
    signed_xml: bytes = OneLogin_Saml2_Utils.add_sign(
        etree.tostring(element), private_key, certificate, sign_algorithm=RSA_SHA256, digest_algorithm=_SHA256
    )
    return signed_xml


def alone(element: Any) -> Any:
    """Return a copy of an element as a document; it knows the namespaces that were declared around it."""
    copy = etree.Element(element.tag, attrib=dict(element.attrib), nsmap=element.nsmap)
    copy.text = element.text
    for child in element:
        copy.append(deepcopy(child))
    return copy


def _only_signature(element: Any, what: str) -> Any:
    signatures = element.findall(ds("Signature"))
    if not signatures:
        raise SignInRefused(f"The {what} is not signed.")
    if len(signatures) > 1:
        raise SignInRefused(f"The {what} has several signatures.")
    (signature,) = signatures
    if signature.find(ds("Object")) is not None:
        raise SignInRefused(f"The signature of the {what} carries objects.")
    return signature


def _checked_reference(signature: Any, element_id: str | None, what: str) -> tuple[Any, list[str]]:
    """Return the reference and the prefixes that its canonicalization includes."""
    info = _only(signature, "SignedInfo", what)
    if _only(info, "CanonicalizationMethod", what).get("Algorithm") != EXCLUSIVE_C14N:
        raise SignInRefused(f"The signature of the {what} uses another canonicalization than the exclusive one.")
    method = _only(info, "SignatureMethod", what).get("Algorithm")
    if method not in SIGNATURES:
        raise SignInRefused(f"The {what} is signed by {str(method)[:120]}, which is not accepted.")
    reference = _only(info, "Reference", what)
    if not element_id or reference.get("URI") != f"#{element_id}":
        raise SignInRefused(f"The signature of the {what} is about something else.")
    digest = _only(reference, "DigestMethod", what).get("Algorithm")
    if digest not in DIGESTS:
        raise SignInRefused(f"The {what} is digested by {str(digest)[:120]}, which is not accepted.")
    transforms = _only(reference, "Transforms", what).findall(ds("Transform"))
    if [transform.get("Algorithm") for transform in transforms] != [ENVELOPED, EXCLUSIVE_C14N] or len(transforms[0]):
        raise SignInRefused(f"The signature of the {what} transforms it in a way that is not accepted.")
    included = transforms[1].find(f"{{{EXCLUSIVE_C14N}}}InclusiveNamespaces")
    prefixes = (included.get("PrefixList") or "").split() if included is not None else []
    return reference, prefixes


def _only(element: Any, name: str, what: str) -> Any:
    found = element.findall(ds(name))
    if len(found) != 1:
        raise SignInRefused(f"The signature of the {what} has {len(found)} times {name}.")
    return found[0]


def _verify(alone: Any, signature: Any, certificates: Sequence[Certificate], what: str) -> None:
    kind, _ = SIGNATURES[signature.find(f"{ds('SignedInfo')}/{ds('SignatureMethod')}").get("Algorithm")]
    for certificate in certificates:
        if certificate.kind != kind:
            continue
        context = xmlsec.SignatureContext()
        context.key = xmlsec.Key.from_memory(certificate.pem, xmlsec.constants.KeyDataFormatCertPem, None)
        context.register_id(alone, "ID", None)
        try:
            context.verify(signature)
        except xmlsec.Error:
            continue
        return
    raise SignInRefused(
        f"The {what} is not signed by a key of the identity provider's metadata, or was changed since. If the provider "
        "has a new certificate, fetch its metadata again."
    )


def _without(element: Any, child: Any) -> None:
    """Remove a child, and nothing else: lxml would take the text after it along."""
    if child.tail:
        before = child.getprevious()
        if before is not None:
            before.tail = (before.tail or "") + child.tail
        else:
            element.text = (element.text or "") + child.tail
    element.remove(child)


def _canonical(element: Any, prefixes: list[str]) -> bytes:
    try:
        content: bytes = etree.tostring(
            element,
            method="c14n",
            exclusive=True,
            with_comments=False,
            inclusive_ns_prefixes=prefixes or None,
        )
    except (TypeError, ValueError, etree.LxmlError):
        raise SignInRefused("The message cannot be brought into its canonical form.") from None
    return content


def _base64(text: str | None, what: str) -> bytes:
    try:
        return base64.b64decode("".join((text or "").split()), validate=True)
    except (ValueError, binascii.Error):
        raise SignInRefused(f"The digest of the {what} is none.") from None
