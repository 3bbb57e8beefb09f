"""Signed notes (C2SP signed-note), and what is said in them: checkpoints (C2SP tlog-checkpoint) and new keys.

    <text: lines, each ended by a newline>
                                              an empty line
    — <key name> <base64 of key id and signature>

The key's name is the log's origin. The key id is the beginning of SHA-256 over name, newline, 0x01 and the public key.
"""

import hashlib
import json
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

INSTALLATION = UUID(int=0)
"""In place of an organization's id: the log of the installation itself."""

KEY_HEADER = "gatehouse-audit-key/v1"
ED25519 = b"\x01"
"""What a verifier key is for: notes; `cosigning.signatures` has the other kind."""
_ID_BYTES = 4
_DASH = "\u2014 "


class MalformedNote(ValueError):  # noqa: N818 - reads as the statement it is
    """A text is no note of the kind that is wanted."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A statement over a log.

    Attributes:
        origin: names the installation and the log.
        size: the number of leaves.
        root: the root of their tree.
        time: when it was signed, to the second.
    """

    origin: str
    size: int
    root: bytes
    time: datetime

    def text(self) -> str:
        """Return the text that is signed."""
        root = b64encode(self.root).decode()
        return f"{self.origin}\n{self.size}\n{root}\ntime {self.time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}\n"

    @classmethod
    def parse(cls, text: str) -> "Checkpoint":
        """Return the checkpoint that a note's text says.

        Raises:
            MalformedNote: it says none.
        """
        try:
            origin, size, root, time = text.removesuffix("\n").split("\n")
            moment = datetime.strptime(time, "time %Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
            found = cls(origin, int(size), b64decode(root, validate=True), moment)
        except ValueError:
            raise MalformedNote("This is no checkpoint of an audit log.") from None
        if found.text() != text:
            raise MalformedNote("This checkpoint is not written as checkpoints are.")
        return found


@dataclass(frozen=True, slots=True)
class KeyStatement:
    """A key of an installation, as the key before it (or itself, the first one) signed it.

    Attributes:
        name: the installation, as in origins.
        number: 1, 2, 3 …
        public: the key's 32 bytes.
        time: from when on it signs.
    """

    name: str
    number: int
    public: bytes
    time: datetime

    def text(self) -> str:
        """Return the text that is signed."""
        public = b64encode(self.public).decode()
        moment = f"{self.time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        return f"{KEY_HEADER}\n{self.name}\n{self.number}\n{public}\ntime {moment}\n"


def installation_name(installation: UUID) -> str:
    """Return how origins and key statements name an installation."""
    return f"gatehouse/{installation}"


def origin_of(installation: UUID, log: UUID) -> str:
    """Return the origin of a log: an organization's, or the installation's own."""
    return f"{installation_name(installation)}/{'installation' if log == INSTALLATION else log}"


def key_id(name: str, public: bytes, kind: bytes = ED25519) -> bytes:
    """Return the four bytes by which a signature names its key."""
    return hashlib.sha256(name.encode() + b"\n" + kind + public).digest()[:_ID_BYTES]


def verifier_key(name: str, public: bytes, kind: bytes = ED25519) -> str:
    """Return a public key as other tools for signed notes take it: name, id, key."""
    return f"{name}+{key_id(name, public, kind).hex()}+{b64encode(kind + public).decode()}"


def sign(text: str, name: str, key: Ed25519PrivateKey) -> str:
    """Return the note.

    Args:
        text: ends with a newline and has no empty line.
        name: the key's name; without spaces and plus signs.
        key: the private key.
    """
    signature = b64encode(key_id(name, key.public_key().public_bytes_raw()) + key.sign(text.encode())).decode()
    return f"{text}\n{_DASH}{name} {signature}\n"


def split(note: str) -> tuple[str, list[tuple[str, bytes]]]:
    """Return a note's text and its signatures: key name, key id and signature joined.

    Raises:
        MalformedNote: it is no note.
    """
    text, gap, signatures = note.partition("\n\n")
    found = []
    for line in signatures.removesuffix("\n").split("\n"):
        name, space, encoded = line.removeprefix(_DASH).partition(" ")
        try:
            signature = b64decode(encoded, validate=True)
        except ValueError:
            signature = b""
        if not (gap and space and line.startswith(_DASH)) or len(signature) <= _ID_BYTES:
            raise MalformedNote("This is no signed note.")
        found.append((name, signature))
    return text + "\n", found


def opened(note: str, name: str, public: bytes) -> str:
    """Return the text of a note that the key signed.

    Raises:
        MalformedNote: it is no note, or the key did not sign it.
    """
    text, signatures = split(note)
    wanted = key_id(name, public)
    for signer, signature in signatures:
        if signer == name and signature[:_ID_BYTES] == wanted:
            try:
                Ed25519PublicKey.from_public_bytes(public).verify(signature[_ID_BYTES:], text.encode())
            except InvalidSignature:
                break
            return text
    raise MalformedNote("The key of the log did not sign this note.")


def kept_in(text: str) -> Iterator[str]:
    """Yield the notes of what a witness kept: notes that follow each other, or records that a sink received."""
    if not text.lstrip().startswith("{"):
        yield from in_text(text)
        return
    for line in text.splitlines():
        try:
            record = json.loads(line)
            note = record["checkpoint"]["note"] if record.get("kind") == "checkpoint" else None
        except (ValueError, LookupError, TypeError, AttributeError):
            continue
        if isinstance(note, str):
            yield note


def in_text(text: str) -> Iterator[str]:
    """Yield the notes of a text in which they follow each other."""
    lines: list[str] = []
    signed = False
    for line in text.splitlines():
        if signed and not line.startswith(_DASH):
            yield "\n".join(lines) + "\n"
            lines, signed = [], False
        if line.startswith(_DASH):
            signed = True
        if lines or line:
            lines.append(line)
    if signed:
        yield "\n".join(lines) + "\n"
