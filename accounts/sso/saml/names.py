"""The names of SAML 2.0, XML Signature and XML Encryption that are understood here, and no others."""

from typing import Final

SAMLP: Final = "urn:oasis:names:tc:SAML:2.0:protocol"
SAML: Final = "urn:oasis:names:tc:SAML:2.0:assertion"
MD: Final = "urn:oasis:names:tc:SAML:2.0:metadata"
DS: Final = "http://www.w3.org/2000/09/xmldsig#"
XENC: Final = "http://www.w3.org/2001/04/xmlenc#"
XENC11: Final = "http://www.w3.org/2009/xmlenc11#"
NAMESPACES: Final = {"samlp": SAMLP, "saml": SAML, "md": MD, "ds": DS, "xenc": XENC, "xenc11": XENC11}

REDIRECT: Final = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
POST: Final = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"

SUCCESS: Final = "urn:oasis:names:tc:SAML:2.0:status:Success"
BEARER: Final = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
ENTITY: Final = "urn:oasis:names:tc:SAML:2.0:nameid-format:entity"
PERSISTENT: Final = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
TRANSIENT: Final = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"
EMAIL: Final = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"

EXCLUSIVE_C14N: Final = "http://www.w3.org/2001/10/xml-exc-c14n#"
ENVELOPED: Final = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
RSA_SHA256: Final = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
SIGNATURES: Final = {
    RSA_SHA256: ("RSA", "sha256"),
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384": ("RSA", "sha384"),
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512": ("RSA", "sha512"),
    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256": ("EC", "sha256"),
    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384": ("EC", "sha384"),
    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512": ("EC", "sha512"),
}
"""Signatures by a private key over SHA-2: neither SHA-1 nor HMAC, whose key could be the published certificate."""
DIGESTS: Final = {
    "http://www.w3.org/2001/04/xmlenc#sha256": "sha256",
    "http://www.w3.org/2001/04/xmldsig-more#sha384": "sha384",
    "http://www.w3.org/2001/04/xmlenc#sha512": "sha512",
}


def samlp(name: str) -> str:
    """Return a protocol element's name as lxml writes it."""
    return f"{{{SAMLP}}}{name}"


def saml(name: str) -> str:
    """Return an assertion element's name as lxml writes it."""
    return f"{{{SAML}}}{name}"


def ds(name: str) -> str:
    """Return a signature element's name as lxml writes it."""
    return f"{{{DS}}}{name}"
