"""Checks a logout request of the identity provider (saml-core-2.0-os section 3.7.1): signed, or it is none."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from accounts.sso.exceptions import SignInRefused

from .arrivals import Arrival, check_query
from .encryption import decrypted
from .instants import LEEWAY, check_not_future, check_window, instant, now
from .names import ENTITY, ds, saml, samlp
from .registration import SamlRegistration
from .signatures import check_ids, signed
from .xml import check_schema, only_child, read, text_of

COUNTS_FOR = timedelta(minutes=10)
"""How old a request may be; it counts once within that."""


@dataclass(frozen=True, slots=True)
class LogoutRequest:
    """Whose sessions end.

    Attributes:
        request_id: what the answer names.
        name_id: whose.
        session_indexes: which; none: all.
        counts_until: from when on it would be refused anyway.
    """

    request_id: str
    name_id: str
    session_indexes: tuple[str, ...]
    counts_until: datetime


def checked_logout(registration: SamlRegistration, arrival: Arrival) -> LogoutRequest:
    """Return what a logout request asks for.

    Raises:
        SignInRefused: it is not signed by the identity provider, not for us, or does not count now.
    """
    root = read(arrival.content)
    if root.tag != samlp("LogoutRequest"):
        raise SignInRefused("The message is no logout request.")
    check_schema(root, "protocol")
    check_ids(root)
    root = _signed_request(registration, arrival, root)
    if root.get("Version") != "2.0":
        raise SignInRefused("The logout request is not of SAML 2.0.")
    issuer = only_child(root, saml("Issuer"), "issuer of the logout request")
    if issuer.get("Format", ENTITY) != ENTITY or text_of(issuer).strip() != registration.issuer:
        raise SignInRefused("The logout request comes from another issuer.")
    if root.get("Destination") != registration.slo_url:
        raise SignInRefused("The logout request is for another address (Destination).")
    check_not_future(root.get("IssueInstant"), "IssueInstant")
    check_window(None, root.get("NotOnOrAfter"), "The logout request")
    counts_until = instant(root.get("IssueInstant"), "IssueInstant") + COUNTS_FOR + LEEWAY
    if counts_until <= now():
        raise SignInRefused("The logout request is too old (IssueInstant).")
    return LogoutRequest(
        request_id=root.get("ID"),
        name_id=_name_id(registration, root),
        session_indexes=tuple(text_of(one) for one in root.findall(samlp("SessionIndex"))),
        counts_until=counts_until,
    )


def _signed_request(registration: SamlRegistration, arrival: Arrival, root: Any) -> Any:
    if arrival.query is not None:
        check_query(arrival.query, registration.certificates)
        return root
    if any(one.getparent() is not root for one in root.iter(ds("Signature"))):
        raise SignInRefused("The logout request has signatures in places where none belongs.")
    return signed(root, registration.certificates, "logout request")


def _name_id(registration: SamlRegistration, root: Any) -> str:
    encrypted = root.find(saml("EncryptedID"))
    found = decrypted(encrypted, registration.private_keys) if encrypted is not None else root.find(saml("NameID"))
    if found is None or found.tag != saml("NameID"):
        raise SignInRefused("The logout request names nobody.")
    return text_of(found)
