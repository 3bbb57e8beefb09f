"""A SAML identity provider in this process, of which a test says what it does wrong.

It signs with xmlsec and `cryptography`, and shares nothing with what is tested. `SamlIdp.response` is right by default;
a `Wrong` names the values that differ, and functions that change the tree before or the bytes after it is signed.
"""

import base64
import zlib
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import uuid4

import xmlsec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID
from lxml import etree

SAMLP = "urn:oasis:names:tc:SAML:2.0:protocol"
SAML = "urn:oasis:names:tc:SAML:2.0:assertion"
DS = "http://www.w3.org/2000/09/xmldsig#"
NS = {"samlp": SAMLP, "saml": SAML, "ds": DS, "xenc": "http://www.w3.org/2001/04/xmlenc#"}
EMAIL_FORMAT = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"
PERSISTENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
TRANSIENT = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"
BEARER = "urn:oasis:names:tc:SAML:2.0:cm:bearer"
SUCCESS = "urn:oasis:names:tc:SAML:2.0:status:Success"
CLASS = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"
RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"

Change = Callable[[Any], None]


@dataclass(frozen=True)
class KeyPair:
    """A key with its self-signed certificate, in PEM."""

    private_key: str
    certificate: str

    @property
    def body(self) -> str:
        """Return the certificate as metadata have it."""
        return "".join(line for line in self.certificate.splitlines() if "-----" not in line)


@cache
def key_pair(name: str, *, days: int = 365, bits: int = 2048) -> KeyPair:
    """Return the key pair of this name; making one takes a while."""
    key = rsa.generate_private_key(public_exponent=65_537, key_size=bits)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=400))
        .not_valid_after(now + timedelta(days=days, hours=1))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return KeyPair(private.decode(), certificate.public_bytes(pem).decode())


@dataclass(frozen=True)
class Asked:
    """A request to sign in, as the provider reads it.

    Args:
        request_id: its ID.
        acs: where the answer goes.
        audience: who asks.
        relay_state: what came along.
        query: every parameter, for its signature.
    """

    request_id: str
    acs: str
    audience: str
    relay_state: str
    query: str


@dataclass(frozen=True)
class Wrong:
    """What a response has that is not right; by default nothing. None leaves a value out.

    Args:
        signs: what is signed: "assertion", "response", "both" or "nothing".
        key: with which key pair; None: the provider's own.
        method: of the signature, as xmlsec names it.
        digest: of the signature, as xmlsec names it.
        before: changes the response before it is signed.
        after: changes it afterwards.
        bytes_after: changes what is sent, in the end.
    """

    issuer: str | None = ""
    response_issuer: str | None = ""
    destination: str | None = ""
    recipient: str | None = ""
    audience: str | None = ""
    in_response_to: str | None = ""
    confirmed_in_response_to: str | None = ""
    name_id: str | None = ""
    name_format: str = PERSISTENT
    status: str = SUCCESS
    not_before: timedelta | None = timedelta(minutes=-1)
    not_on_or_after: timedelta | None = timedelta(minutes=5)
    confirmed_until: timedelta | None = timedelta(minutes=5)
    issued: timedelta = timedelta()
    session_until: timedelta | None = None
    session_index: str | None = "session-1"
    method: str = BEARER
    version: str = "2.0"
    has_statement: bool = True
    signs: str = "assertion"
    key: KeyPair | None = None
    signature: str = "RSA_SHA256"
    digest: str = "SHA256"
    before: Change | None = None
    after: Change | None = None
    bytes_after: Callable[[bytes], bytes] | None = None


RIGHT = Wrong()


@dataclass
class SamlIdp:
    """An identity provider.

    Args:
        entity_id: its name.

    Attributes:
        name_id: who signs in.
        attributes: what it says of them: a text, or a list of several.
        keys: what it signs with; the first one does.
    """

    entity_id: str
    name_id: str = "u-1"
    attributes: dict[str, Any] = field(default_factory=lambda: {"email": "member@acme.example", "name": "Mem Ber"})
    keys: list[KeyPair] = field(default_factory=lambda: [key_pair("idp")])
    endpoints: dict[str, str] = field(default_factory=lambda: {"SSO-Redirect": "/sso", "SLO-Redirect": "/slo"})
    wants_signed: bool = False

    @property
    def key(self) -> KeyPair:
        """Return what it signs with."""
        return self.keys[0]

    def metadata(self, **attributes: str) -> str:
        """Return its metadata; `attributes` are more ones of the root."""
        kinds = {"SSO": "SingleSignOnService", "SLO": "SingleLogoutService"}
        services = "".join(
            f'<md:{kinds[kind]} Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-{binding}"'
            f' Location="https://idp.example{path}"/>'
            for (kind, binding), path in sorted(
                ((tuple(name.split("-")), path) for name, path in self.endpoints.items()), key=lambda one: one[0][0]
            )
        )
        keys = "".join(
            '<md:KeyDescriptor use="signing"><ds:KeyInfo><ds:X509Data>'
            f"<ds:X509Certificate>{key.body}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>"
            for key in self.keys
        )
        more = "".join(f' {name}="{value}"' for name, value in attributes.items())
        return (
            f'<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" xmlns:ds="{DS}"'
            f' entityID="{self.entity_id}"{more}>'
            f'<md:IDPSSODescriptor WantAuthnRequestsSigned="{str(self.wants_signed).lower()}"'
            f' protocolSupportEnumeration="{SAMLP}">{keys}{services}</md:IDPSSODescriptor></md:EntityDescriptor>'
        )

    def read(self, url: str) -> Asked:
        """Return the request that a browser is redirected with."""
        query = urlsplit(url).query
        values = parse_qs(query)
        root = etree.fromstring(zlib.decompress(base64.b64decode(values["SAMLRequest"][0]), -15))
        return Asked(
            request_id=root.get("ID"),
            acs=root.get("AssertionConsumerServiceURL"),
            audience=root.findtext("saml:Issuer", None, NS),
            relay_state=values.get("RelayState", [""])[0],
            query=query,
        )

    def response(self, asked: Asked, wrong: Wrong = RIGHT) -> bytes:
        """Return the response to a request, with what is wrong about it."""
        root = self._response(asked, wrong)
        if wrong.before:
            wrong.before(root)
        key = wrong.key or self.key
        if wrong.signs in {"assertion", "both"}:
            sign(root.find("saml:Assertion", NS), key, wrong.signature, wrong.digest)
        if wrong.signs in {"response", "both"}:
            sign(root, key, wrong.signature, wrong.digest)
        root = etree.fromstring(etree.tostring(root))  # lxml finds no element by its name that xmlsec has made
        if wrong.after:
            wrong.after(root)
        content = etree.tostring(root)
        return wrong.bytes_after(content) if wrong.bytes_after else content

    def _response(self, asked: Asked, wrong: Wrong) -> Any:
        now = datetime.now(UTC)

        def at(delta: timedelta | None) -> str | None:
            return (now + delta).strftime("%Y-%m-%dT%H:%M:%SZ") if delta is not None else None

        def chosen(value: str | None, right: str | None) -> str | None:
            return right if value == "" else value

        issuer = chosen(wrong.issuer, self.entity_id)
        root = element(None, SAMLP, "Response", nsmap={"samlp": SAMLP, "saml": SAML})
        attributes(
            root,
            ID=f"_{uuid4().hex}",
            Version=wrong.version,
            IssueInstant=at(wrong.issued),
            Destination=chosen(wrong.destination, asked.acs),
            InResponseTo=chosen(wrong.in_response_to, asked.request_id or None),
        )
        named = chosen(wrong.response_issuer, issuer)
        if named is not None:
            element(root, SAML, "Issuer", named)
        element(element(root, SAMLP, "Status"), SAMLP, "StatusCode").set("Value", wrong.status)
        assertion = element(root, SAML, "Assertion")
        attributes(assertion, ID=f"_{uuid4().hex}", Version=wrong.version, IssueInstant=at(wrong.issued))
        element(assertion, SAML, "Issuer", issuer)
        subject = element(assertion, SAML, "Subject")
        if wrong.name_id is not None:
            element(subject, SAML, "NameID", wrong.name_id or self.name_id).set("Format", wrong.name_format)
        confirmation = element(subject, SAML, "SubjectConfirmation")
        confirmation.set("Method", wrong.method)
        attributes(
            element(confirmation, SAML, "SubjectConfirmationData"),
            NotOnOrAfter=at(wrong.confirmed_until),
            Recipient=chosen(wrong.recipient, asked.acs),
            InResponseTo=chosen(wrong.confirmed_in_response_to, asked.request_id or None),
        )
        conditions = element(assertion, SAML, "Conditions")
        attributes(conditions, NotBefore=at(wrong.not_before), NotOnOrAfter=at(wrong.not_on_or_after))
        audience = chosen(wrong.audience, asked.audience)
        if audience is not None:
            element(element(conditions, SAML, "AudienceRestriction"), SAML, "Audience", audience)
        if wrong.has_statement:
            statement = element(assertion, SAML, "AuthnStatement")
            attributes(
                statement,
                AuthnInstant=at(wrong.issued),
                SessionIndex=wrong.session_index,
                SessionNotOnOrAfter=at(wrong.session_until),
            )
            element(element(statement, SAML, "AuthnContext"), SAML, "AuthnContextClassRef", CLASS)
        told = element(assertion, SAML, "AttributeStatement")
        for name, value in self.attributes.items():
            attribute = element(told, SAML, "Attribute")
            attribute.set("Name", name)
            for text in value if isinstance(value, list) else [value]:
                element(attribute, SAML, "AttributeValue", text)
        return root

    def logout_request(self, destination: str, name_id: str, *indexes: str, **values: str) -> Any:
        """Return an unsigned logout request; `values` are attributes instead of the right ones."""
        root = element(None, SAMLP, "LogoutRequest", nsmap={"samlp": SAMLP, "saml": SAML})
        right = {
            "ID": f"_{uuid4().hex}",
            "Version": "2.0",
            "IssueInstant": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "Destination": destination,
        }
        attributes(root, **{**right, **values})
        element(root, SAML, "Issuer", self.entity_id)
        element(root, SAML, "NameID", name_id).set("Format", PERSISTENT)
        for index in indexes:
            element(root, SAMLP, "SessionIndex", index)
        return root

    def signed_query(
        self, root: Any, key: KeyPair | None = None, *, relay_state: str = "", algorithm: str = RSA_SHA256
    ) -> str:
        """Return the query that brings a message, signed."""
        query = unsigned_query(root, relay_state) + "&" + urlencode({"SigAlg": algorithm})
        private = serialization.load_pem_private_key((key or self.key).private_key.encode(), None)
        assert isinstance(private, rsa.RSAPrivateKey)
        digest = hashes.SHA1() if "sha1" in algorithm else hashes.SHA256()  # noqa: S303 - hostile
        signature = private.sign(query.encode(), padding.PKCS1v15(), digest)
        return query + "&" + urlencode({"Signature": base64.b64encode(signature).decode()})


def unsigned_query(root: Any, relay_state: str = "", field: str = "SAMLRequest") -> str:
    """Return the query that brings a message."""
    compressor = zlib.compressobj(wbits=-15)
    packed = compressor.compress(etree.tostring(root)) + compressor.flush()
    state = {"RelayState": relay_state} if relay_state else {}
    return urlencode({field: base64.b64encode(packed).decode(), **state})


def sign(target: Any, key: KeyPair, method: str = "RSA_SHA256", digest: str = "SHA256") -> None:
    """Sign an element, after its issuer."""
    transform: Any = vars(xmlsec)["Transform"]
    signature = xmlsec.template.create(target, transform.EXCL_C14N, getattr(transform, method), ns="ds")
    issuer = target.find("saml:Issuer", NS)
    if issuer is None:
        target.insert(0, signature)
    else:
        issuer.addnext(signature)
    reference = xmlsec.template.add_reference(signature, getattr(transform, digest), uri=f"#{target.get('ID')}")
    xmlsec.template.add_transform(reference, transform.ENVELOPED)
    xmlsec.template.add_transform(reference, transform.EXCL_C14N)
    if not method.startswith("HMAC"):
        xmlsec.template.add_x509_data(xmlsec.template.ensure_key_info(signature))
    context = xmlsec.SignatureContext()
    if method.startswith("HMAC"):
        public = x509.load_pem_x509_certificate(key.certificate.encode()).public_key()
        pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        context.key = xmlsec.Key.from_binary_data(xmlsec.constants.KeyDataHmac, pem)
    else:
        context.key = xmlsec.Key.from_memory(key.private_key.encode(), xmlsec.constants.KeyDataFormatPem)
        context.key.load_cert_from_memory(key.certificate.encode(), xmlsec.constants.KeyDataFormatPem)
    context.register_id(target, "ID", None)
    context.sign(signature)


def encrypt(root: Any, certificate: str, *, transport: str = "RSA_OAEP", content: str = "AES256") -> None:
    """Encrypt the assertion of a response for a certificate in PEM."""
    transform: Any = vars(xmlsec)["Transform"]
    assertion = root.find("saml:Assertion", NS)
    holder = element(None, SAML, "EncryptedAssertion", nsmap={"saml": SAML})
    root.replace(assertion, holder)
    holder.append(assertion)
    data = xmlsec.template.encrypted_data_create(
        holder, getattr(transform, content), type=xmlsec.constants.TypeEncElement, ns="xenc"
    )
    xmlsec.template.encrypted_data_ensure_cipher_value(data)
    info = xmlsec.template.encrypted_data_ensure_key_info(data, ns="ds")
    wrapped = xmlsec.template.add_encrypted_key(info, getattr(transform, transport))
    xmlsec.template.encrypted_data_ensure_cipher_value(wrapped)
    manager = xmlsec.KeysManager()
    manager.add_key(xmlsec.Key.from_memory(certificate.encode(), xmlsec.constants.KeyDataFormatCertPem, None))
    context = xmlsec.EncryptionContext(manager)
    length = {"AES128": 128, "AES256": 256, "DES3": 192, "AES256_GCM": 256, "AES128_GCM": 128}[content]
    kind = xmlsec.constants.KeyDataDes if content == "DES3" else xmlsec.constants.KeyDataAes
    context.key = xmlsec.Key.generate(kind, length, xmlsec.constants.KeyDataTypeSession)
    context.encrypt_xml(data, assertion)


def element(parent: Any, namespace: str, name: str, text: str | None = None, nsmap: Any = None) -> Any:
    """Return a new element, below its parent where there is one."""
    tag = f"{{{namespace}}}{name}"
    made = etree.Element(tag, nsmap=nsmap) if parent is None else etree.SubElement(parent, tag)
    made.text = text
    return made


def attributes(target: Any, **values: str | None) -> None:
    """Set those that are not None."""
    for name, value in values.items():
        if value is not None:
            target.set(name, value)


def evil(assertion: Any, name_id: str = "u-owner", email: str = "viewer@acme.example") -> Any:
    """Return an unsigned copy of an assertion that speaks of somebody else, with an ID of its own."""
    forged = deepcopy(assertion)
    for signature in forged.findall("ds:Signature", NS):
        forged.remove(signature)
    forged.set("ID", f"_{uuid4().hex}")
    forged.find("saml:Subject/saml:NameID", NS).text = name_id
    for value in forged.iterfind(".//saml:AttributeValue", NS):
        if "@" in (value.text or ""):
            value.text = email
    return forged
