"""Signature wrapping: the eight usual ways to keep a signature valid while somebody else is read.

Somorovsky and others, "On Breaking SAML: Be Whoever You Want to Be", 2012.
"""

from collections.abc import Callable
from copy import deepcopy
from typing import Any
from uuid import uuid4

from tests.sso.saml.provider import DS, NS, SAMLP, element, evil


def _parts(root: Any) -> tuple[Any, Any]:
    assertion = root.find("saml:Assertion", NS)
    return assertion, assertion.find("ds:Signature", NS)


def _forged_response(root: Any) -> tuple[Any, Any]:
    """Make the document an evil response; return what was signed, without its signature, and the signature."""
    original = deepcopy(root)
    signature = root.find("ds:Signature", NS)
    original.remove(original.find("ds:Signature", NS))
    root.set("ID", f"_{uuid4().hex}")
    assertion = root.find("saml:Assertion", NS)
    root.replace(assertion, evil(assertion))
    return original, signature


def xsw1(root: Any) -> None:
    original, signature = _forged_response(root)
    signature.append(original)


def xsw2(root: Any) -> None:
    original, signature = _forged_response(root)
    signature.addprevious(original)


def xsw3(root: Any) -> None:
    assertion, _ = _parts(root)
    assertion.addprevious(evil(assertion))


def xsw4(root: Any) -> None:
    assertion, _ = _parts(root)
    forged = evil(assertion)
    root.replace(assertion, forged)
    forged.append(assertion)


def xsw5(root: Any) -> None:
    assertion, signature = _parts(root)
    forged = evil(assertion)
    root.replace(assertion, forged)
    forged.find("saml:Issuer", NS).addnext(signature)
    root.append(assertion)


def xsw6(root: Any) -> None:
    assertion, signature = _parts(root)
    forged = evil(assertion)
    root.replace(assertion, forged)
    forged.find("saml:Issuer", NS).addnext(signature)
    signature.append(assertion)


def xsw7(root: Any) -> None:
    assertion, _ = _parts(root)
    extensions = element(None, SAMLP, "Extensions")
    root.find("saml:Issuer", NS).addnext(extensions)
    extensions.append(evil(assertion))


def xsw8(root: Any) -> None:
    assertion, signature = _parts(root)
    forged = evil(assertion)
    root.replace(assertion, forged)
    forged.find("saml:Issuer", NS).addnext(signature)
    element(signature, DS, "Object").append(assertion)


def same_id(root: Any) -> None:
    """An evil assertion in front that has the ID of the signed one."""
    assertion, _ = _parts(root)
    forged = evil(assertion)
    forged.set("ID", assertion.get("ID"))
    assertion.addprevious(forged)


def swapped(root: Any) -> None:
    """The evil assertion keeps the ID and the signature; the signed one is nowhere."""
    assertion, signature = _parts(root)
    forged = evil(assertion)
    forged.set("ID", assertion.get("ID"))
    forged.find("saml:Issuer", NS).addnext(signature)
    root.replace(assertion, forged)


WRAPPINGS: dict[str, tuple[str, Callable[[Any], None]]] = {
    "XSW1": ("response", xsw1),
    "XSW2": ("response", xsw2),
    "XSW3": ("assertion", xsw3),
    "XSW4": ("assertion", xsw4),
    "XSW5": ("assertion", xsw5),
    "XSW6": ("assertion", xsw6),
    "XSW7": ("assertion", xsw7),
    "XSW8": ("assertion", xsw8),
    "XSW1, the assertion signed too": ("both", xsw1),
    "XSW2, the assertion signed too": ("both", xsw2),
    "the same ID twice": ("assertion", same_id),
    "the signature on another assertion": ("assertion", swapped),
}
