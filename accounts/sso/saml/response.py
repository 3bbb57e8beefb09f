"""Checks a SAML response (saml-profiles-2.0-os section 4.1.4) and returns what its one signed assertion says."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from accounts.models.sso import LONGEST_SUBJECT, LONGEST_URL
from accounts.sso.checks import Checklist
from accounts.sso.exceptions import SignInRefused
from accounts.sso.signed_in import ProviderSession, SignedIn

from .encryption import decrypted
from .instants import LEEWAY, check_not_future, check_window, instant, now
from .names import BEARER, EMAIL, ENTITY, NAMESPACES, PERSISTENT, SUCCESS, TRANSIENT, ds, saml, samlp
from .registration import SamlRegistration
from .signatures import alone, check_ids, has_signature, signed
from .xml import check_schema, only_child, read, text_of

_KNOWN_CONDITIONS = frozenset({saml("AudienceRestriction"), saml("OneTimeUse"), saml("ProxyRestriction")})
_MOST_ATTRIBUTES = 500
_REFUSED_THERE = "Your identity provider did not let you in. Ask there whether this application is assigned to you."


@dataclass(frozen=True, slots=True)
class Assertion:
    """What a response says, checked.

    Attributes:
        found: who came.
        assertion_id: its ID, which counts once.
        counts_until: from when on it would be refused anyway.
    """

    found: SignedIn
    assertion_id: str
    counts_until: datetime


def opened(content: bytes) -> Any:
    """Return a response, unchecked but for its form.

    Raises:
        SignInRefused: it is none.
    """
    root = read(content)
    if root.tag != samlp("Response"):
        raise SignInRefused("The message is no SAML response.")
    check_schema(root, "protocol")
    check_ids(root)
    if root.get("Version") != "2.0":
        raise SignInRefused("The response is not of SAML 2.0.")
    return root


def in_response_to(root: Any) -> str | None:
    """Return which request a response says that it answers; it is not proven yet."""
    asked: str | None = root.get("InResponseTo")
    return asked


def checked(registration: SamlRegistration, root: Any, request_id: str | None, checklist: Checklist) -> Assertion:
    """Return what a response says.

    Args:
        registration: the connection.
        root: as `opened` returns it.
        request_id: what this browser asked with; None: nobody asked, and that is allowed.
        checklist: gets each check.

    Raises:
        SignInRefused: something does not hold.
    """
    with checklist.step("The identity provider let them in"):
        _check_response(registration, root, request_id)
    with checklist.step("The assertion is signed by the identity provider"):
        assertion = _signed_assertion(registration, root)
    with checklist.step("The assertion is for this portal, now, and of this sign-in"):
        counts_until = _check_assertion(registration, assertion, request_id)
    with checklist.step("The assertion says who they are, and that they have signed in"):
        found = _said(registration, assertion)
    return Assertion(found, assertion.get("ID"), counts_until)


def _check_response(registration: SamlRegistration, root: Any, request_id: str | None) -> None:
    _check_status(root)
    if root.get("Destination") != registration.acs_url:
        raise SignInRefused(f"The response is for another address (Destination): {_shown(root.get('Destination'))}.")
    if root.get("InResponseTo") != request_id:
        raise SignInRefused("The response does not answer this sign-in (InResponseTo).")
    check_not_future(root.get("IssueInstant"), "IssueInstant")
    issuer = root.find(saml("Issuer"))
    if issuer is not None:
        _check_issuer(registration, issuer, "response")


def _check_status(root: Any) -> None:
    code = root.find("samlp:Status/samlp:StatusCode", NAMESPACES)
    if code is not None and code.get("Value") == SUCCESS:
        return
    inner = code.find(samlp("StatusCode")) if code is not None else None
    names = [element.get("Value", "").rpartition(":")[2] for element in (code, inner) if element is not None]
    message = root.findtext("samlp:Status/samlp:StatusMessage", "", NAMESPACES)
    said = ": ".join(part for part in (*names, message) if part)
    raise SignInRefused(f"The provider refused: {said[:400]}", _REFUSED_THERE)


def _signed_assertion(registration: SamlRegistration, root: Any) -> Any:
    """Return the only assertion, as it was signed."""
    if has_signature(root):
        signed(root, registration.certificates, "response")
    everywhere = [*root.iter(saml("Assertion"), saml("EncryptedAssertion"))]
    direct = [child for child in root if child.tag in {saml("Assertion"), saml("EncryptedAssertion")}]
    if len(everywhere) != 1 or len(direct) != 1:
        raise SignInRefused(f"The response has {len(everywhere)} assertions; one is expected, directly in it.")
    (assertion,) = direct
    if assertion.tag == saml("EncryptedAssertion"):
        assertion = decrypted(assertion, registration.private_keys)
        if assertion.tag != saml("Assertion") or len([*assertion.iter(saml("Assertion"))]) != 1:
            raise SignInRefused("What was encrypted is no assertion.")
        check_schema(alone(assertion), "protocol")
        check_ids(assertion)
    owned = [element.getparent() for element in assertion.iter(ds("Signature"))]
    outside = [element for element in root.iter(ds("Signature")) if element.getparent() not in (root, assertion)]
    if outside or any(parent is not assertion for parent in owned):
        raise SignInRefused("The response has signatures in places where none belongs.")
    if not owned:
        raise SignInRefused(
            "The assertion is not signed. Let the provider sign assertions, beside responses or instead of them."
        )
    # Not asked of the schema again: canonicalization drops prefixes that only values use (xsi:type="xs:string").
    return signed(assertion, registration.certificates, "assertion")


def _check_assertion(registration: SamlRegistration, assertion: Any, request_id: str | None) -> datetime:
    """Return until when it counts."""
    if assertion.get("Version") != "2.0":
        raise SignInRefused("The assertion is not of SAML 2.0.")
    _check_issuer(registration, only_child(assertion, saml("Issuer"), "issuer of the assertion"), "assertion")
    check_not_future(assertion.get("IssueInstant"), "IssueInstant")
    conditions = only_child(assertion, saml("Conditions"), "element Conditions in the assertion")
    check_window(conditions.get("NotBefore"), conditions.get("NotOnOrAfter"), "The assertion")
    if unknown := [child.tag for child in conditions if child.tag not in _KNOWN_CONDITIONS]:
        raise SignInRefused(f"The assertion has a condition that is not understood: {_shown(unknown[0])}.")
    restrictions = conditions.findall(saml("AudienceRestriction"))
    audiences = [[text_of(one).strip() for one in restriction] for restriction in restrictions]
    if not audiences or not all(registration.entity_id in among for among in audiences):
        raise SignInRefused(f"The assertion is for somebody else (Audience): {_shown(audiences)}.")
    return _check_bearer(registration, assertion, request_id)


def _check_bearer(registration: SamlRegistration, assertion: Any, request_id: str | None) -> datetime:
    """Return until when somebody may bring the assertion (saml-profiles-2.0-os section 4.1.4.3)."""
    subject = only_child(assertion, saml("Subject"), "subject in the assertion")
    reason = SignInRefused("The assertion is not for who brings it (SubjectConfirmation bearer).")
    for confirmation in subject.findall(saml("SubjectConfirmation")):
        data = confirmation.find(saml("SubjectConfirmationData"))
        if confirmation.get("Method") != BEARER or data is None:
            continue
        try:
            return _confirmed(registration, data, request_id)
        except SignInRefused as refused:
            reason = refused
    raise reason


def _confirmed(registration: SamlRegistration, data: Any, request_id: str | None) -> datetime:
    """Return until when it counts, when this confirmation holds."""
    if data.get("Recipient") != registration.acs_url:
        raise SignInRefused(f"The assertion is for another address (Recipient): {_shown(data.get('Recipient'))}.")
    if data.get("NotOnOrAfter") is None:
        raise SignInRefused("The assertion does not say until when it may be brought (NotOnOrAfter).")
    check_window(data.get("NotBefore"), data.get("NotOnOrAfter"), "The time to bring the assertion")
    if data.get("InResponseTo") != request_id:
        raise SignInRefused("The assertion does not answer this sign-in (InResponseTo).")
    return instant(data.get("NotOnOrAfter"), "NotOnOrAfter") + LEEWAY


def _check_issuer(registration: SamlRegistration, issuer: Any, what: str) -> None:
    if issuer.get("Format", ENTITY) != ENTITY or text_of(issuer).strip() != registration.issuer:
        raise SignInRefused(f"The {what} comes from another issuer: {_shown(issuer.text)}.")


def _said(registration: SamlRegistration, assertion: Any) -> SignedIn:
    name_id = only_child(assertion.find(saml("Subject")), saml("NameID"), "NameID in the subject")
    session = _session(registration, name_id, assertion)
    claims = _attributes(assertion)
    subject = session.name_id
    if registration.subject_attribute:
        value = claims.get(registration.subject_attribute)
        if not isinstance(value, str) or not value.strip():
            raise SignInRefused(f"The attribute {registration.subject_attribute} is missing, or has no single value.")
        subject = value
    elif session.name_id_format == TRANSIENT:
        raise SignInRefused(
            "The NameID is transient: another one each time, it does not say who somebody is. Let the provider send "
            "a persistent one or the e-mail address, or choose an attribute that says who somebody is."
        )
    if len(subject) > LONGEST_SUBJECT:
        raise SignInRefused(f"What says who somebody is has more than {LONGEST_SUBJECT} characters.")
    if session.name_id_format == EMAIL:
        claims.setdefault("email", session.name_id)
    claims |= {"sub": subject, "NameID": session.name_id}
    return SignedIn(subject, claims, _assurance(assertion), session, _authenticated_at(assertion))


def _session(registration: SamlRegistration, name_id: Any, assertion: Any) -> ProviderSession:
    text = text_of(name_id)
    if not text or text != text.strip() or len(text) > LONGEST_SUBJECT:
        raise SignInRefused(
            f"The NameID is empty, begins or ends with blanks, or has more than {LONGEST_SUBJECT} characters."
        )
    values = {name: name_id.get(name, "") for name in ("Format", "NameQualifier", "SPNameQualifier")}
    if any(len(value) > LONGEST_SUBJECT for value in values.values()):
        raise SignInRefused("The NameID has an attribute that is too long.")
    if values["Format"] == ENTITY:
        raise SignInRefused("The NameID names a server, and no person.")
    if values["Format"] == PERSISTENT and (
        values["NameQualifier"] not in {"", registration.issuer}
        or values["SPNameQualifier"] not in {"", registration.entity_id}
    ):
        raise SignInRefused("The persistent NameID is made for others (NameQualifier, SPNameQualifier).")
    statements = assertion.findall(saml("AuthnStatement"))
    if not statements:
        raise SignInRefused("The assertion does not say that anybody has signed in (AuthnStatement).")
    for statement in statements:
        check_not_future(statement.get("AuthnInstant"), "AuthnInstant")
    named = [one.get("SessionNotOnOrAfter") for one in statements]
    ends = [instant(moment, "SessionNotOnOrAfter") for moment in named if moment is not None]
    if any(moment + LEEWAY <= now() for moment in ends):
        raise SignInRefused("Their session at the provider has ended already (SessionNotOnOrAfter).")
    index = statements[0].get("SessionIndex", "")
    if len(index) > LONGEST_SUBJECT or len(values["NameQualifier"]) > LONGEST_URL:
        raise SignInRefused("The assertion's SessionIndex is too long.")
    return ProviderSession(
        name_id=text,
        name_id_format=values["Format"],
        name_qualifier=values["NameQualifier"],
        sp_name_qualifier=values["SPNameQualifier"],
        session_index=index,
        ends_at=min(ends, default=None),
    )


def _attributes(assertion: Any) -> dict[str, Any]:
    """Return the attributes by name: a text for one value, a list for several."""
    found: dict[str, list[str]] = {}
    attributes = assertion.findall("saml:AttributeStatement/saml:Attribute", NAMESPACES)
    if len(attributes) > _MOST_ATTRIBUTES:
        raise SignInRefused(f"The assertion has more than {_MOST_ATTRIBUTES} attributes.")
    for attribute in attributes:
        found.setdefault(attribute.get("Name"), []).extend(_values(attribute))
    return {name: values[0] if len(values) == 1 else values for name, values in found.items() if values}


def _values(attribute: Any) -> Iterator[str]:
    for value in attribute.findall(saml("AttributeValue")):
        if not len(value) and value.text:  # what has elements is no text; nobody maps it
            yield value.text.strip()


def _authenticated_at(assertion: Any) -> datetime:
    """Return when they proved who they are; the oldest of several statements."""
    return min(instant(one.get("AuthnInstant"), "AuthnInstant") for one in assertion.findall(saml("AuthnStatement")))


def _assurance(assertion: Any) -> tuple[str, ...]:
    path = "saml:AuthnStatement/saml:AuthnContext/saml:AuthnContextClassRef"
    return tuple(text_of(found).strip() for found in assertion.findall(path, NAMESPACES))


def _shown(value: Any) -> str:
    return f"“{str(value)[:120]}”"
